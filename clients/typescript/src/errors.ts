// SPDX-License-Identifier: Apache-2.0
//
// How a call fails.
import { decode } from "./cbor/any.js";
import { Fault } from "./cbor/value.js";
import { Status, statusName } from "./statuses.js";

const none = new Uint8Array(0);

/**
 * A call, or another request, that did not succeed.
 *
 * Errors of this side have the same form as those of the host. For example, an answer that does not fit its type has the
 * status `bad_payload`.
 */
export class CallError extends Error {
  /** The status; `Status` has those of the host, and modules have their own from 1000 on. */
  readonly status: number;
  /** For programs: a value that says more, or undefined. Classes of generated code say which type it has. */
  readonly detail: unknown;
  /** The detail as it was on the wire: nothing, or one CBOR item. */
  readonly detailBytes: Uint8Array;

  constructor(status: number, message: string, options: { detail?: unknown; detailBytes?: Uint8Array; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.status = status;
    this.name = statusName(status);
    this.detailBytes = options.detailBytes ?? none;
    this.detail = "detail" in options ? options.detail : readDetail(this.detailBytes);
  }
}

/** The host cannot be reached, or the connection broke while the call was open. The call may have run. */
export class UnreachableError extends CallError {}
/** The call's timeout has passed. */
export class DeadlineError extends CallError {}
/** The call was canceled; `cause` is the reason of the AbortSignal, if that was why. */
export class CanceledError extends CallError {}
/** A module's interface has changed in a way that breaks this program. `detail` is the compare-report. */
export class InterfaceChangedError extends CallError {}

const classes = new Map<number, typeof CallError>([
  [Status.unreachable, UnreachableError],
  [Status.deadline, DeadlineError],
  [Status.canceled, CanceledError],
  [Status.interface_changed, InterfaceChangedError],
]);

/** The error with this status, in its class. */
export function failure(
  status: number,
  message: string,
  options: { detail?: unknown; detailBytes?: Uint8Array; cause?: unknown } = {},
): CallError {
  const made = new (classes.get(status) ?? CallError)(status, message === "" ? statusName(status) : message, options);
  return made;
}

/** Any thrown value as an error: a Fault becomes `bad_payload`, with the words before it. */
export function asFailure(thrown: unknown, before: string): Error {
  if (thrown instanceof Fault) return failure(Status.bad_payload, before + thrown.message);
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

function readDetail(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return decode(bytes);
  } catch {
    return undefined; // a detail is for programs that know it; the message says what happened
  }
}
