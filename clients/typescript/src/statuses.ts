// SPDX-License-Identifier: Apache-2.0
//
// The statuses of a host, as abi/statuses.json has them; a test compares the two.

/** The numbers of the statuses. Modules have their own from 1000 on. */
export const Status = {
  /** ok */
  ok: 0,
  /** the handler replied with an error */
  error: 1,
  /** no reply callback was given */
  missing_callback: 2,
  /** not a terminal reply: the handler still runs; payload: elapsed milliseconds as text */
  stale: 3,
  /** not a terminal reply: one part of a reply that comes in parts */
  partial: 4,
  /** an argument is null, too long or out of range */
  invalid_argument: 16,
  /** the handle is zero, stale, forged, or of another type or context */
  invalid_handle: 17,
  /** no loaded module has this wire name */
  unknown_name: 18,
  /** no host function of this name is registered */
  no_host_function: 19,
  /** the payload does not fit the interface of the wire name */
  bad_payload: 20,
  /** the request queue of the context or connection is full; try again when calls have ended */
  overloaded: 21,
  /** the context's event log is full; new requests are refused until half of it is read */
  event_queue_stuck: 22,
  /** the call would wait for its own caller, or is nested where that is not allowed */
  reentrant: 23,
  /** the call's deadline has passed */
  deadline: 24,
  /** the call was canceled */
  canceled: 25,
  /** the context is closed */
  closed: 26,
  /** the module that had this wire name has been unloaded */
  module_gone: 27,
  /** the module could not start in this context */
  instance_failed: 28,
  /** the token is unknown, already answered, canceled, or of another context */
  stale_token: 29,
  /** the event is too large, or the context's event log is full; it was refused */
  overflow: 30,
  /** the handler ended without a terminal reply */
  no_reply: 31,
  /** the handler failed with an exception it did not expect */
  exception: 32,
  /** the operation is not supported here, or not by this host */
  not_supported: 33,
  /** the operation did not finish in time */
  timeout: 34,
  /** the host refused the module */
  load_refused: 35,
  /** the name is already registered by a module */
  name_taken: 36,
  /** no module of this name is loaded */
  not_loaded: 37,
  /** the module's names are withdrawn, but its object cannot be unmapped yet */
  pinned: 38,
  /** an operating system call failed */
  io: 39,
  /** not enough memory, or a limit was reached */
  out_of_memory: 40,
  /** no host answers at the address, or the connection to it broke */
  unreachable: 41,
  /** the peer sent something that the protocol does not allow */
  protocol: 42,
  /** the object does not exist */
  not_found: 43,
  /** the configuration is wrong */
  config: 44,
  /** the receiver is not ready for more parts yet; try again when it has taken some */
  would_block: 45,
  /** the role that this needs is missing on this socket of the host */
  not_permitted: 46,
  /** the module's interface has changed in a way that breaks its callers */
  interface_changed: 47,
  /** who answered has gone; the call may have run */
  provider_lost: 48,
} as const;

const names = new Map<number, string>(Object.entries(Status).map(([name, number]) => [number, name]));

/** The name of a status, such as `deadline`; of one that this client does not know, `status_1001`. */
export function statusName(status: number): string {
  return names.get(status) ?? `status_${status}`;
}
