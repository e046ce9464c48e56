// SPDX-License-Identifier: Apache-2.0
//
// The parts of a reply that nobody has read yet, as bytes, the oldest first.
import { counted } from "./window.js";

const chunkSize = 1 << 14; // small parts share memory
const taken = new Uint8Array(0); // in the place of a part that was taken
const shortCopy = 96; // up to this many bytes, a loop is faster than a copy by the engine

export class Kept {
  /** How many parts there are, and how many bytes count for them. */
  count = 0;
  size = 0;
  /** Where the part is that `take` has given. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  private chunk = this.bytes;
  private used = 0;
  private chunks: Uint8Array[] = [];
  private starts: number[] = [];
  private sizes: number[] = [];
  private first = 0;

  /** Keeps a copy of a part. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.used + size > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(size, chunkSize));
      this.used = 0;
    }
    const { chunk, used } = this;
    if (size <= shortCopy) {
      for (let at = 0; at < size; ++at) chunk[used + at] = bytes[start + at]!;
    } else {
      chunk.set(bytes.subarray(start, end), used);
    }
    this.used = used + size;
    this.chunks.push(chunk);
    this.starts.push(used);
    this.sizes.push(size);
    ++this.count;
    this.size += counted(size);
  }

  /** Takes the oldest part out, and gives back its size. */
  take(): number {
    const at = this.first++;
    const size = this.sizes[at]!;
    this.bytes = this.chunks[at]!;
    this.chunks[at] = taken; // its memory is free before the places are
    this.start = this.starts[at]!;
    --this.count;
    this.size -= counted(size);
    if (this.count === 0) this.drop();
    else if (this.first === 1024) this.compact();
    return size;
  }

  private drop(): void {
    this.chunks = [];
    this.starts = [];
    this.sizes = [];
    this.first = 0;
    if (this.chunk.length > chunkSize) this.chunk = new Uint8Array(0);
    this.used = 0;
  }

  private compact(): void {
    this.chunks.splice(0, this.first);
    this.starts.splice(0, this.first);
    this.sizes.splice(0, this.first);
    this.first = 0;
  }
}
