// SPDX-License-Identifier: Apache-2.0
//
// What bounds a call: its timeout, and the AbortSignal of the application.
import { type CallError, failure } from "./errors.js";
import { now } from "./requests.js";
import { Status } from "./statuses.js";

/** How a call is made. */
export interface CallOptions {
  /** After so many milliseconds the call ends with `deadline`. 0 or nothing: never, or when the host's configuration says. */
  timeout?: number | undefined;
  /** Cancels the call. It then ends with `canceled`, or as it has ended meanwhile. */
  signal?: AbortSignal | undefined;
  /** How many bytes of partial replies may be on their way: 1 MiB, at most 16 MiB. */
  windowBytes?: number | undefined;
  /** How many partial replies may be on their way: 1024, at most 65536. */
  windowParts?: number | undefined;
}

const grace = 250; // milliseconds that a host has for the answer after the deadline
const longestTimeout = 2 ** 52;

/** The timeout of the options in whole milliseconds. */
export function timeoutOf(options: CallOptions): number {
  const timeout = options.timeout ?? 0;
  if (!(timeout >= 0)) throw failure(Status.invalid_argument, `timeout: expected milliseconds, got ${timeout}`);
  return Math.min(Math.ceil(timeout), longestTimeout);
}

/** When a call with this timeout ends here, on the clock of requests; 0: never. */
export function dueOf(timeout: number): number {
  return timeout === 0 ? 0 : now() + timeout + grace;
}

/** The end of a call that the host has not answered. */
export function lateError(timeout: number): CallError {
  return failure(Status.deadline, `the host has not answered within the timeout of ${timeout} ms`);
}

/** The error of a call whose signal is aborted already. */
export function abortedBefore(signal: AbortSignal): CallError | undefined {
  if (!signal.aborted) return undefined;
  return failure(Status.canceled, "the call was canceled before it was sent", { cause: signal.reason });
}

/** Watches the signal of one call. */
export class Bound {
  constructor(
    private readonly signal: AbortSignal,
    private readonly cancel: () => void,
  ) {
    signal.addEventListener("abort", cancel, { once: true });
  }

  release(): void {
    this.signal.removeEventListener("abort", this.cancel);
  }

  /** The reason of the signal, if the call was canceled because of it. */
  cause(status: number): { cause?: unknown } {
    return status === Status.canceled && this.signal.aborted ? { cause: this.signal.reason } : {};
  }
}
