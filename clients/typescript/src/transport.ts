// SPDX-License-Identifier: Apache-2.0
//
// What a client needs of the stream of bytes below it. `unix.ts` has the one for Node; another one, such as for a browser,
// implements the same.

/** Takes what a stream brings. */
export interface Sink {
  /** Bytes have come. They are valid until this function returns. */
  data(bytes: Uint8Array, length: number): void;
  /** What `write` has kept is gone. */
  drained(): void;
  /** The stream has ended, by whichever side. It is called once, and nothing is called after it. */
  closed(reason: string): void;
}

export interface ByteStream {
  /**
   * Sends the first `length` bytes.
   * @returns true if they were taken, and their memory may be used again; false if the stream keeps the memory until it
   *   calls `drained`. Then nothing more may be written before.
   */
  write(bytes: Uint8Array, length: number): boolean;
  /** Sends what was written, as far as the peer takes it, and ends the stream. */
  close(): void;
}

export interface Transport {
  /** Where it leads, for messages. */
  readonly address: string;
  /** The number of this process; 0 if there is none. */
  readonly pid: number;
  /** Opens a stream. Rejects with an Error that says why it cannot. */
  open(sink: Sink): Promise<ByteStream>;
  /** Runs a function when the code that runs now has ended, and before the next bytes come. A microtask is right. */
  defer(task: () => void): void;
  /** Runs a function when what has come is worked off, and before the process waits for more. */
  later(task: () => void): void;
}
