// SPDX-License-Identifier: Apache-2.0
//
// The types of frames, and how the items of a frame are read. docs/protocol.md describes them.
import { Reader, unknownLength } from "./cbor/reader.js";
import { Fault } from "./cbor/value.js";

export const Frame = {
  hello: 1,
  call: 2,
  cancel: 3,
  resolve: 4,
  listen: 5,
  unlisten: 6,
  load: 7,
  unload: 8,
  reload: 9,
  list: 10,
  status: 11,
  stop: 12,
  credit: 13,
  part: 14,
  heard: 15,
  reply: 16,
  event: 17,
  error: 18,
  expect: 24,
  provide: 25,
  withdraw: 26,
  ask: 27,
  answer: 28,
  unask: 29,
} as const;

/** The bits of `flags`. */
export const Flag = {
  callNoStale: 1,
  callCredit: 2,
  callParts: 4,
  partLast: 1,
  partNone: 2,
  listenLossless: 2,
  eventEnvelope: 1,
  eventGap: 2,
  eventLossless: 4,
} as const;

export const protocolVersion = 1;
/** The most bytes of a hello. */
export const largestHello = 1024;
/** The most bytes of a frame, if its receiver names no other number; and the least number that counts. */
export const defaultMaxFrame = 67108864;
export const leastMaxFrame = 4096;
/** The window of a call's parts, if none is named. */
export const defaultWindow = { bytes: 1 << 20, parts: 1024 };
export const largestWindow = { bytes: 16 << 20, parts: 65536 };

/** Reads the items of a frame. Arrays and strings must have known lengths there. */
export class FrameReader extends Reader {
  /** Where the last byte string lies. */
  start = 0;
  stop = 0;
  private left = 0;

  constructor() {
    super(new Uint8Array(0));
  }

  /** Begins with a frame, and gives back its type. */
  open(bytes: Uint8Array, start: number, end: number): number {
    this.use(bytes, start, end);
    this.head();
    if (this.major !== 4 || this.argument === unknownLength) throw new Fault("a frame is no array of known length");
    if (this.argument > end - start) throw this.malformed("the array has more items than bytes");
    this.left = this.argument;
    return this.small("type", 0xffffffff);
  }

  /** How many items are left. */
  get items(): number {
    return this.left;
  }

  private next(what: string): void {
    if (this.left === 0) throw new Fault(`a frame lacks ${what}`);
    --this.left;
    this.head();
    if (this.argument === unknownLength) throw new Fault(`${what}: expected a known length`);
  }

  /** An unsigned integer of 64 bits: a number if it is safe. */
  uint(what: string): number | bigint {
    this.next(what);
    if (this.major !== 0) throw this.expected("uint").within(what);
    return this.wide ?? this.argument;
  }

  /** An unsigned integer up to `most`. */
  small(what: string, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.uint(what);
    if (typeof value === "bigint" || value > most) throw new Fault(`${what}: expected 0..${most}, got ${value}`);
    return value;
  }

  /** An unsigned integer; a larger one than is safe counts as the largest safe one. */
  amount(what: string): number {
    const value = this.uint(what);
    return typeof value === "bigint" ? Number.MAX_SAFE_INTEGER : value;
  }

  int32(what: string): number {
    this.next(what);
    if (this.major > 1) throw this.expected("int").within(what);
    const value = this.integer();
    if (typeof value === "bigint" || value < -0x80000000 || value > 0x7fffffff) {
      throw new Fault(`${what}: expected an integer of 32 bits, got ${value}`);
    }
    return value;
  }

  string(what: string): string {
    this.next(what);
    if (this.major !== 3) throw this.expected("text").within(what);
    return this.textBody();
  }

  /** A byte string, whose place is in `start` and `stop` then. */
  span(what: string): void {
    this.next(what);
    if (this.major !== 2) throw this.expected("bytes").within(what);
    if (this.wide !== undefined || this.argument > this.end - this.at) throw this.malformed("the CBOR ends too early");
    this.start = this.at;
    this.stop = this.at += this.argument;
  }

  /** A byte string, as a copy. */
  copied(what: string): Uint8Array {
    this.span(what);
    return this.bytes.slice(this.start, this.stop);
  }

  /** An array of text, of which at most `most` are kept. */
  strings(what: string, most: number): string[] {
    this.next(what);
    if (this.major !== 4) throw this.expected("list").within(what);
    const count = this.enter(1);
    const out: string[] = [];
    for (let at = 0; at < count; ++at) {
      const text = this.text();
      if (at < most) out.push(text);
    }
    this.leave();
    return out;
  }

  /** Ends the frame. Further items are those of a newer protocol: they are skipped. */
  close(): void {
    for (; this.left > 0; --this.left) this.skip();
    this.finish();
  }
}
