// SPDX-License-Identifier: Apache-2.0
//
// Sends a request in parts, within the window of the host.
import { asError } from "./calls.js";
import type { Connection } from "./connection.js";
import { Flag, Frame } from "./frame.js";
import { Window } from "./window.js";

/** A source of parts: an array, a generator, a stream of Node or of the web. */
export type Parts<T> = Iterable<T> | AsyncIterable<T>;

interface Uploading {
  readonly id: number;
  readonly isDone: boolean;
  upload: { ended(): void; credit(bytes: number): void } | undefined;
  giveUp(error: Error): void;
}

const none = new Uint8Array(0);

/**
 * Sends all parts, and then says that none follows. It ends early if the call ends. An error of the source cancels the
 * call, which then fails with that error.
 */
export async function sendParts<T>(
  connection: Connection,
  call: Uploading,
  parts: Parts<T>,
  encode: (part: T) => Uint8Array,
): Promise<void> {
  const window = new Window(connection.host.windowBytes, connection.host.windowParts);
  let wake: (() => void) | undefined;
  const awake = (): void => {
    wake?.();
    wake = undefined;
  };
  call.upload = {
    ended: awake,
    credit: (bytes) => {
      window.credit(bytes);
      awake();
    },
  };
  const send = (payload: Uint8Array, flags: number): void =>
    connection.send(Frame.part, 4, (out) => {
      out.int(call.id);
      out.byteString(payload);
      out.int(flags);
    });
  try {
    for await (const part of parts) {
      if (call.isDone) return;
      const payload = encode(part);
      while (!window.hasRoom(payload.length)) {
        await new Promise<void>((resolve) => (wake = resolve));
        if (call.isDone) return;
      }
      window.add(payload.length);
      send(payload, 0);
    }
    if (!call.isDone) send(none, Flag.partNone);
  } catch (thrown) {
    call.giveUp(asError(thrown));
  }
}
