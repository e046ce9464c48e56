// SPDX-License-Identifier: Apache-2.0
//
// Writes CBOR into memory that grows. Heads are as short as possible, and lengths are known.
import { Fault } from "./value.js";

const utf8 = new TextEncoder();
const shortText = 64; // up to this many characters, a loop is faster than the encoder
const shortBytes = 96; // up to this many bytes, a loop is faster than a copy by the engine
const surrogate = /\p{Surrogate}/u;

export class Writer {
  bytes: Uint8Array;
  length = 0;
  private view: DataView;

  constructor(size = 1024) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /** What was written. The memory is the writer's: it changes with the next write after a reset. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Forgets what was written, and memory that a large item has needed. */
  reset(keep = 1 << 16): void {
    this.length = 0;
    if (this.bytes.length > keep) this.use(new Uint8Array(keep));
  }

  /** Gives what was written away, and goes on with other memory. */
  take(): Uint8Array {
    const out = this.written();
    this.length = 0;
    this.use(new Uint8Array(Math.min(this.bytes.length, 1 << 16)));
    return out;
  }

  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.use(grown);
  }

  private use(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  /** A head: the major type in its place (0x00, 0x20 … 0xe0), and its argument, a safe integer. */
  head(major: number, argument: number): void {
    if (this.length + 9 > this.bytes.length) this.reserve(9);
    if (argument < 24) {
      this.bytes[this.length++] = major | argument;
    } else if (argument < 0x100) {
      this.bytes[this.length++] = major | 24;
      this.bytes[this.length++] = argument;
    } else if (argument < 0x10000) {
      this.bytes[this.length++] = major | 25;
      this.view.setUint16(this.length, argument);
      this.length += 2;
    } else if (argument < 0x100000000) {
      this.bytes[this.length++] = major | 26;
      this.view.setUint32(this.length, argument);
      this.length += 4;
    } else {
      this.bytes[this.length++] = major | 27;
      this.view.setUint32(this.length, Math.floor(argument / 0x100000000));
      this.view.setUint32(this.length + 4, argument >>> 0);
      this.length += 8;
    }
  }

  /** A head whose argument may need all 64 bits. */
  wideHead(major: number, argument: bigint): void {
    if (argument <= 0x1fffffffffffffn) return this.head(major, Number(argument));
    this.reserve(9);
    this.bytes[this.length++] = major | 27;
    this.view.setBigUint64(this.length, argument);
    this.length += 8;
  }

  /** A safe integer. */
  int(value: number): void {
    if (value >= 0) this.head(0x00, value);
    else this.head(0x20, -1 - value);
  }

  /** An integer of any size; beyond 64 bits with the tags 2 and 3. */
  bigint(value: bigint): void {
    const negative = value < 0n;
    const argument = negative ? -1n - value : value;
    if (argument <= 0xffffffffffffffffn) return this.wideHead(negative ? 0x20 : 0x00, argument);
    let hex = argument.toString(16);
    if (hex.length % 2 === 1) hex = `0${hex}`;
    this.head(0xc0, negative ? 3 : 2);
    this.head(0x40, hex.length / 2);
    this.reserve(hex.length / 2);
    for (let at = 0; at < hex.length; at += 2) this.bytes[this.length++] = Number.parseInt(hex.slice(at, at + 2), 16);
  }

  float64(value: number): void {
    this.reserve(9);
    this.bytes[this.length] = 0xfb;
    this.view.setFloat64(this.length + 1, value);
    this.length += 9;
  }

  float32(value: number): void {
    this.reserve(5);
    this.bytes[this.length] = 0xfa;
    this.view.setFloat32(this.length + 1, value);
    this.length += 5;
  }

  bool(value: boolean): void {
    this.byte(value ? 0xf5 : 0xf4);
  }

  null(): void {
    this.byte(0xf6);
  }

  /** One byte as it is, such as a simple value. */
  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  text(value: string): void {
    const count = value.length;
    if (count <= shortText && this.ascii(value, count)) return;
    if (surrogate.test(value)) throw new Fault("expected Unicode text, got text with half of a surrogate pair");
    // The length in bytes is known only afterwards: write behind the longest head, then move.
    this.reserve(9 + count * 3);
    const at = this.length;
    const { written } = utf8.encodeInto(value, this.bytes.subarray(at + 9));
    this.head(0x60, written);
    this.bytes.copyWithin(this.length, at + 9, at + 9 + written);
    this.length += written;
  }

  private ascii(value: string, count: number): boolean {
    this.reserve(2 + count);
    const { bytes } = this;
    let at = this.length;
    if (count < 24) {
      bytes[at++] = 0x60 | count;
    } else {
      bytes[at++] = 0x78;
      bytes[at++] = count;
    }
    for (let i = 0; i < count; ++i) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at++] = code;
    }
    this.length = at;
    return true;
  }

  byteString(value: Uint8Array): void {
    this.head(0x40, value.length);
    this.raw(value);
  }

  /** Bytes as they are: items that are encoded already. */
  raw(value: Uint8Array): void {
    this.copyOf(value, value.length);
  }

  /** A byte string of what another writer has written. */
  byteStringOf(other: Writer): void {
    this.head(0x40, other.length);
    this.copyOf(other.bytes, other.length);
  }

  private copyOf(from: Uint8Array, count: number): void {
    this.reserve(count);
    const { bytes, length } = this;
    if (count <= shortBytes) {
      for (let at = 0; at < count; ++at) bytes[length + at] = from[at]!;
    } else {
      bytes.set(count === from.length ? from : from.subarray(0, count), length);
    }
    this.length = length + count;
  }

  array(count: number): void {
    this.head(0x80, count);
  }

  map(count: number): void {
    this.head(0xa0, count);
  }
}
