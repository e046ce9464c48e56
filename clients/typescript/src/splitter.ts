// SPDX-License-Identifier: Apache-2.0
//
// Cuts a stream of bytes into frames. The memory for a frame grows with the bytes that have come, not with the length that
// it announces.

const firstSize = 4096;

export class Splitter {
  private partial = new Uint8Array(0);
  private have = 0;

  /**
   * @param largest how many bytes a frame may have
   * @param frame takes a frame, which is valid until it returns: the bytes, where it begins, and where it ends. It gives
   *   back whether the stream goes on.
   */
  constructor(
    private readonly largest: () => number,
    private readonly frame: (bytes: Uint8Array, start: number, end: number) => boolean,
  ) {}

  /** Takes bytes. It gives back the length of a frame that is too large, or 0. */
  feed(bytes: Uint8Array, length: number): number {
    let at = 0;
    while (this.have > 0) {
      // Only as much as the frame that has begun needs: first its length, then the rest of it.
      const wanted = this.have < 4 ? 4 : 4 + lengthAt(this.partial, 0);
      const taken = Math.min(wanted - this.have, length - at);
      this.keep(bytes, at, at + taken, wanted);
      at += taken;
      if (this.have < wanted) return 0;
      const size = lengthAt(this.partial, 0);
      if (size > this.largest()) return size;
      if (this.have < 4 + size) continue;
      const { partial } = this;
      this.have = 0;
      if (partial.length > 1 << 16) this.partial = new Uint8Array(0);
      if (!this.frame(partial, 4, 4 + size)) return 0;
    }
    while (length - at >= 4) {
      const size = lengthAt(bytes, at);
      if (size > this.largest()) return size;
      if (length - at - 4 < size) break;
      at += 4 + size;
      if (!this.frame(bytes, at - size, at)) return 0;
    }
    if (at < length) this.keep(bytes, at, length, firstSize);
    return 0;
  }

  private keep(bytes: Uint8Array, start: number, end: number, wanted: number): void {
    const needed = this.have + end - start;
    if (needed > this.partial.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(wanted, Math.max(firstSize, this.partial.length * 2))));
      grown.set(this.partial.subarray(0, this.have));
      this.partial = grown;
    }
    this.partial.set(bytes.subarray(start, end), this.have);
    this.have = needed;
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
