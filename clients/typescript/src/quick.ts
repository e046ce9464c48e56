// SPDX-License-Identifier: Apache-2.0
//
// The two most frequent frames, in their usual form: calls are written, and replies without an error are read, without a
// look at what is unusual. That is left to frame.ts.
import { bytesOf } from "./cbor/value.js";
import { Writer } from "./cbor/writer.js";
import { Frame } from "./frame.js";

const arrayOfSix = 0x86;
const arrayOfEight = 0x88;
const emptyText = 0x60;
const emptyBytes = 0x40;

/** What `readReply` has found. */
export const found = { id: 0, status: 0, start: 0, stop: 0 };

/**
 * Reads a reply that has neither a message nor a detail, into `found`.
 * @returns false if the frame is another one, or has another form
 */
export function readReply(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 8 || bytes[start] !== arrayOfSix || bytes[start + 1] !== Frame.reply) return false;
  if (bytes[end - 2] !== emptyText || bytes[end - 1] !== emptyBytes) return false;
  let at = start + 2;
  let id = bytes[at++]!;
  if (id >= 24) {
    if (id === 24) id = bytes[at++]!;
    else if (id === 25) {
      id = bytes[at]! * 0x100 + bytes[at + 1]!;
      at += 2;
    } else if (id === 26) {
      id = bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
      at += 4;
    } else return false;
  }
  const status = bytes[at++]!;
  if (status >= 24) return false;
  let size = bytes[at++]! - emptyBytes;
  if (size >= 24) {
    if (size === 24) size = bytes[at++]!;
    else if (size === 25) {
      size = bytes[at]! * 0x100 + bytes[at + 1]!;
      at += 2;
    } else if (size === 26) {
      size = bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
      at += 4;
    } else return false;
  }
  // A frame that is cut off, or has another form, does not end here.
  if (size < 0 || at + size !== end - 2) return false;
  found.id = id;
  found.status = status;
  found.start = at;
  found.stop = end - 2;
  return true;
}

function putUint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 24) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 0x100) {
    bytes[at] = 24;
    bytes[at + 1] = value;
    return at + 2;
  }
  if (value < 0x10000) {
    bytes[at] = 25;
    bytes[at + 1] = value >> 8;
    bytes[at + 2] = value;
    return at + 3;
  }
  if (value < 0x100000000) {
    bytes[at] = 26;
    bytes[at + 1] = value >>> 24;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 8;
    bytes[at + 4] = value;
    return at + 5;
  }
  bytes[at] = 27;
  for (let byte = 8, rest = value; byte > 0; --byte, rest = Math.floor(rest / 0x100)) bytes[at + byte] = rest % 0x100;
  return at + 9;
}

/**
 * Writes a call, behind four bytes for its length.
 * @param method the handle of the name; 0: the name itself is sent
 * @param name the text item of the name
 */
export function writeCall(
  out: Writer,
  id: number,
  method: number,
  name: Uint8Array,
  payload: Uint8Array | Writer,
  timeout: number,
  flags: number,
  window: { bytes: number; parts: number } | undefined,
): void {
  const encoded = payload instanceof Writer ? payload : bytesOf(payload); // before anything is written
  out.reserve(64 + name.length);
  const { bytes } = out;
  let at = out.length + 4;
  bytes[at++] = window ? arrayOfEight : arrayOfSix;
  bytes[at++] = Frame.call;
  at = putUint(bytes, at, id);
  if (method === 0) {
    for (let i = 0; i < name.length; ++i) bytes[at++] = name[i]!;
  } else {
    at = putUint(bytes, at, method);
  }
  out.length = at;
  if (encoded instanceof Writer) out.byteStringOf(encoded);
  else out.byteString(encoded);
  out.reserve(40);
  const rest = out.bytes;
  at = putUint(rest, out.length, timeout);
  at = putUint(rest, at, flags);
  if (window) {
    at = putUint(rest, at, window.bytes);
    at = putUint(rest, at, window.parts);
  }
  out.length = at;
}
