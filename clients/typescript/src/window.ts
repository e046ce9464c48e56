// SPDX-License-Identifier: Apache-2.0
//
// How much of the parts of a call is on its way. Sender and receiver count in the same way.

export class Window {
  private readonly sizes: number[] = [];
  private first = 0;
  private inBytes = 0;

  constructor(
    private readonly bytes: number,
    private readonly parts: number,
  ) {}

  /** Whether a part of this size may go now. One that is larger than the window goes alone. */
  hasRoom(size: number): boolean {
    const count = this.sizes.length - this.first;
    return count === 0 || (count < this.parts && this.inBytes + counted(size) <= this.bytes);
  }

  add(size: number): void {
    this.sizes.push(counted(size));
    this.inBytes += counted(size);
  }

  /** The receiver is done with the oldest bytes. A part leaves when all of its bytes have. */
  credit(bytes: number): void {
    while (bytes > 0 && this.first < this.sizes.length) {
      const taken = Math.min(bytes, this.sizes[this.first]!);
      this.sizes[this.first]! -= taken;
      this.inBytes -= taken;
      bytes -= taken;
      if (this.sizes[this.first] === 0) ++this.first;
    }
    if (this.first > 1024 || this.first === this.sizes.length) {
      this.sizes.splice(0, this.first);
      this.first = 0;
    }
  }
}

/** An empty part counts as one byte. */
export function counted(size: number): number {
  return size === 0 ? 1 : size;
}
