// SPDX-License-Identifier: Apache-2.0
//
// Reads CBOR from bytes that nobody has checked. It trusts no length: what it allocates is bounded by the bytes that are
// there. Every function throws a Fault if the item is of another type or not well-formed.
import { Fault, maxDepth } from "./value.js";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const shortText = 16; // up to this many bytes, texts of ASCII are made here
const mediumText = 4096; // up to this many, Node makes texts of ASCII faster than the decoder
interface AsciiBytes {
  latin1Slice(start: number, end: number): string;
}
const nodeBuffer = (globalThis as { Buffer?: { from(memory: ArrayBufferLike, offset: number, length: number): AsciiBytes } }).Buffer;
const majors = ["int", "int", "bytes", "text", "list", "map", "tag", "simple value"];

/** A text of ASCII. Several characters at once are much faster than one after another. */
function shortAscii(bytes: Uint8Array, start: number, end: number): string {
  const { fromCharCode } = String;
  let out = "";
  let at = start;
  for (; end - at >= 8; at += 8) {
    const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
    out += fromCharCode(a, b, c, d, bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!);
  }
  for (; end - at >= 3; at += 3) out += fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!);
  for (; at < end; ++at) out += fromCharCode(bytes[at]!);
  return out;
}

/** The argument of a head of unknown length. */
export const unknownLength = -1;

export class Reader {
  bytes: Uint8Array;
  at: number;
  end: number;
  /** The depth of the arrays and maps around the next item. */
  depth = 0;
  /** How many alternatives were tried in vain. */
  retries = 0;
  /** The major type of the last head, 0 to 7. */
  major = 0;
  /** Its additional information, 0 to 31. */
  info = 0;
  /** Its argument, or unknownLength. If it is no safe integer, `wide` has it exactly. */
  argument = 0;
  wide: bigint | undefined;
  private view: DataView;
  /** The same bytes, where Node makes texts of ASCII from them. */
  private ascii: AsciiBytes | undefined;

  /** @param strict whether unknown members of structs are faults */
  constructor(
    bytes: Uint8Array,
    public strict = false,
    start = 0,
    end = bytes.length,
  ) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = start;
    this.end = end;
  }

  /** Goes on with other bytes. */
  use(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      this.ascii = undefined;
    }
    this.at = start;
    this.end = end;
    this.depth = 0;
    this.retries = 0;
  }

  malformed(what: string): Fault {
    return new Fault(`not well-formed CBOR: ${what}, at byte ${this.at}`);
  }

  private short(): Fault {
    return this.malformed("the CBOR ends too early");
  }

  /** Reads a head, and leaves its parts in `major`, `info`, `argument` and `wide`. */
  head(): void {
    if (this.at >= this.end) throw this.short();
    const first = this.bytes[this.at++]!;
    this.major = first >> 5;
    const info = first & 31;
    this.info = info;
    this.wide = undefined;
    if (info < 24) {
      this.argument = info;
      return;
    }
    this.longHead(info);
  }

  private longHead(info: number): void {
    if (info === 31) {
      if (this.major === 0 || this.major === 1 || this.major === 6) throw this.malformed("a reserved head");
      this.argument = unknownLength;
      return;
    }
    if (info > 27) throw this.malformed("a reserved head");
    const size = 1 << (info - 24);
    if (this.end - this.at < size) throw this.short();
    if (info === 24) {
      this.argument = this.bytes[this.at]!;
      if (this.major === 7 && this.argument < 32) throw this.malformed("a simple value in two bytes that fits one");
    } else if (info === 25) this.argument = this.view.getUint16(this.at);
    else if (info === 26) this.argument = this.view.getUint32(this.at);
    else {
      const high = this.view.getUint32(this.at);
      this.argument = high * 0x100000000 + this.view.getUint32(this.at + 4);
      if (high >= 0x200000) this.wide = this.view.getBigUint64(this.at);
    }
    this.at += size;
  }

  /** The name of the type of the last head, for messages. */
  got(): string {
    if (this.major !== 7) return majors[this.major]!;
    if (this.info === 20 || this.info === 21) return "bool";
    if (this.info === 22) return "null";
    return this.info >= 25 && this.info <= 27 ? "float" : "simple value";
  }

  expected(what: string): Fault {
    return new Fault(`expected ${what}, got ${this.got()}`);
  }

  /** Reads a head and the tags before it. */
  item(): void {
    this.head();
    for (let tags = 0; this.major === 6; ++tags) {
      if (tags >= maxDepth) throw new Fault(`nested deeper than ${maxDepth}`);
      this.head();
    }
  }

  /** Whether the next item is null; if so, it is read. */
  isNull(): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== 0xf6) return false;
    ++this.at;
    return true;
  }

  bool(): boolean {
    this.item();
    if (this.major !== 7 || (this.info !== 20 && this.info !== 21)) throw this.expected("bool");
    return this.info === 21;
  }

  null(): null {
    this.item();
    if (this.major !== 7 || this.info !== 22) throw this.expected("null");
    return null;
  }

  /** The value of the last head, which is an integer. */
  integer(): number | bigint {
    const negative = this.major === 1;
    if (this.wide !== undefined) return negative ? -1n - this.wide : this.wide;
    if (!negative) return this.argument;
    const value = -1 - this.argument;
    return Number.isSafeInteger(value) ? value : -1n - BigInt(this.argument);
  }

  int(): number | bigint {
    if (this.at < this.end && this.bytes[this.at]! < 24) return this.bytes[this.at++]!;
    this.item();
    if (this.major > 1) throw this.expected("int");
    return this.integer();
  }

  /** The value of the last head, which is a float. */
  floating(): number {
    if (this.info === 27) return this.view.getFloat64(this.at - 8);
    if (this.info === 26) return this.view.getFloat32(this.at - 4);
    const half = this.argument;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    let value: number;
    if (exponent === 0) value = fraction * 2 ** -24;
    else if (exponent === 31) value = fraction === 0 ? Infinity : NaN;
    else value = (1024 + fraction) * 2 ** (exponent - 25);
    return half & 0x8000 ? -value : value;
  }

  /** A float, or an integer, which is rounded once if a double does not hold it. */
  float(): number {
    this.item();
    if (this.major <= 1) return Number(this.integer());
    if (this.major !== 7 || this.info < 25 || this.info > 27) throw this.expected("float");
    return this.floating();
  }

  text(): string {
    const { at } = this;
    if (at < this.end) {
      const first = this.bytes[at]!;
      if (first >= 0x60 && first < 0x78 && first - 0x60 < this.end - at) {
        this.at = at + 1;
        return this.textOf(at + 1 + first - 0x60);
      }
    }
    this.item();
    if (this.major !== 3) throw this.expected("text");
    return this.textBody();
  }

  byteString(): Uint8Array {
    this.item();
    if (this.major !== 2) throw this.expected("bytes");
    return this.bytesBody();
  }

  /** The text of the last head. */
  textBody(): string {
    if (this.argument !== unknownLength) return this.textOf(this.stringEnd());
    let out = "";
    while (this.chunk()) out += this.textOf(this.stringEnd());
    return out;
  }

  /** The bytes of the last head, as a copy. */
  bytesBody(): Uint8Array {
    if (this.argument !== unknownLength) {
      const end = this.stringEnd();
      const out = this.bytes.slice(this.at, end);
      this.at = end;
      return out;
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (this.chunk()) {
      const end = this.stringEnd();
      chunks.push(this.bytes.subarray(this.at, end));
      size += end - this.at;
      this.at = end;
    }
    const out = new Uint8Array(size);
    let at = 0;
    for (const each of chunks) {
      out.set(each, at);
      at += each.length;
    }
    return out;
  }

  private stringEnd(): number {
    if (this.wide !== undefined || this.argument > this.end - this.at) throw this.short();
    return this.at + this.argument;
  }

  private chunk(): boolean {
    const major = this.major;
    this.head();
    if (this.major === 7 && this.info === 31) {
      this.major = major;
      return false;
    }
    if (this.major !== major || this.argument === unknownLength) throw this.malformed("a wrong part of a string");
    return true;
  }

  private textOf(end: number): string {
    const start = this.at;
    const { bytes } = this;
    this.at = end;
    if (end - start <= mediumText) {
      let at = start;
      while (end - at >= 4 && (this.view.getInt32(at) & 0x80808080) === 0) at += 4;
      while (at < end && bytes[at]! < 0x80) ++at;
      if (at === end) {
        if (end - start <= shortText) return shortAscii(bytes, start, end);
        if (nodeBuffer) {
          this.ascii ??= nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
          return this.ascii.latin1Slice(start, end);
        }
      }
    }
    try {
      return utf8.decode(bytes.subarray(start, end));
    } catch {
      throw new Fault("text is not UTF-8");
    }
  }

  /** Enters an array: how many items it has, or unknownLength. Ask `more` before each item, and `leave` it. */
  array(): number {
    this.item();
    if (this.major !== 4) throw this.expected("list");
    return this.enter(1);
  }

  /** Enters a map, as `array` does. */
  map(): number {
    this.item();
    if (this.major !== 5) throw this.expected("map");
    return this.enter(2);
  }

  /** Enters the array or map of the last head. */
  enter(least: number): number {
    if (this.depth >= maxDepth) throw new Fault(`nested deeper than ${maxDepth}`);
    if (this.argument > (this.end - this.at) / least) throw this.short();
    ++this.depth;
    return this.argument;
  }

  leave(): void {
    --this.depth;
  }

  /** Whether there is a further item, after `read` ones of `count`. */
  more(read: number, count: number): boolean {
    if (count !== unknownLength) return read < count;
    if (this.at >= this.end) throw this.short();
    if (this.bytes[this.at] !== 0xff) return true;
    ++this.at;
    return false;
  }

  /** Skips one item, and checks it. */
  skip(): void {
    this.item();
    switch (this.major) {
      case 2:
        this.skipBytes();
        return;
      case 3:
        this.textBody();
        return;
      case 4:
      case 5: {
        const each = this.major - 3;
        const count = this.enter(each);
        for (let read = 0; this.more(read, count); ++read) {
          this.skip();
          if (each === 2) this.skip();
        }
        this.leave();
        return;
      }
      case 7:
        if (this.info === 31) throw this.malformed("a break outside of an array, map or string");
    }
  }

  private skipBytes(): void {
    if (this.argument !== unknownLength) this.at = this.stringEnd();
    else while (this.chunk()) this.at = this.stringEnd();
  }

  /** Ends the reading: there must be no further bytes. */
  finish(): void {
    if (this.at !== this.end) throw this.malformed("bytes after the item");
  }
}
