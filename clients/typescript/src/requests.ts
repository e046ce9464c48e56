// SPDX-License-Identifier: Apache-2.0
//
// The requests of a connection that wait for their answers, by id, and the deadlines of those that have one.
import type { CallError } from "./errors.js";

/** Waits for the answer to a frame. */
export interface Request {
  /** When it expires, on the clock of `now()`; 0: never. */
  readonly due: number;
  /** A reply that is not the last one: its status is stale or partial. The bytes are valid until this returns. */
  part(status: number, bytes: Uint8Array, start: number, end: number): void;
  /** The terminal reply. `detail` is a copy. Nothing comes after it. */
  end(status: number, bytes: Uint8Array, start: number, end: number, message: string, detail: Uint8Array): void;
  /** The host has taken bytes of the request's parts. */
  credit(bytes: number): void;
  /** The connection has ended, or will not do this. Nothing comes after it. */
  fail(error: CallError): void;
  /** The time of `due` has passed without an answer. */
  expire(): void;
}

/** Whole milliseconds of a clock that never goes back. */
export function now(): number {
  return Math.ceil(performance.now());
}

/** A request that waits for nothing. */
export class Ignored implements Request {
  readonly due: number = 0;
  part(): void {}
  end(_status: number, _bytes: Uint8Array, _start: number, _end: number, _message: string, _detail: Uint8Array): void {}
  credit(): void {}
  fail(_error: CallError): void {}
  expire(): void {}
}

export type RequestEnd = Request["end"];

/** Waits for one answer. */
export class Answer extends Ignored {
  constructor(
    private readonly ended: RequestEnd,
    private readonly failed: (error: CallError) => void,
  ) {
    super();
  }
  override end(status: number, bytes: Uint8Array, start: number, end: number, message: string, detail: Uint8Array): void {
    this.ended(status, bytes, start, end, message, detail);
  }
  override fail(error: CallError): void {
    this.failed(error);
  }
}

const firstSize = 64; // a power of two
const leastWait = 20; // milliseconds between two looks for deadlines
const longestTimer = 0x7fffffff;

/**
 * The place of a request is given by the low bits of its id. An id whose place is taken by a long call is left out, so a
 * look needs no hash.
 */
export class Requests {
  /** How many there are. */
  size = 0;
  private slots = new Array<Request | undefined>(firstSize).fill(undefined);
  private ids = new Array<number>(firstSize).fill(0);
  private mask = firstSize - 1;
  private next = 1;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wakesAt = Infinity;

  /** The id of the next request. It stays the same until `add`. */
  nextId(): number {
    while (this.slots[this.next & this.mask] !== undefined) ++this.next;
    return this.next;
  }

  /** Adds a request with the id that `nextId` has given. */
  add(id: number, request: Request): void {
    const at = id & this.mask;
    this.slots[at] = request;
    this.ids[at] = id;
    this.next = id + 1;
    if (++this.size > this.mask >> 1) this.grow();
    if (request.due !== 0) this.watch(request.due);
  }

  private grow(): void {
    const { slots, ids } = this;
    const size = slots.length * 2;
    this.slots = new Array<Request | undefined>(size).fill(undefined);
    this.ids = new Array<number>(size).fill(0);
    this.mask = size - 1;
    for (let at = 0; at < slots.length; ++at) {
      if (slots[at] === undefined) continue;
      const id = ids[at]!;
      this.slots[id & this.mask] = slots[at];
      this.ids[id & this.mask] = id;
    }
  }

  get(id: number): Request | undefined {
    const at = id & this.mask;
    return this.ids[at] === id ? this.slots[at] : undefined;
  }

  /** Takes a request out. */
  take(id: number): Request | undefined {
    const at = id & this.mask;
    if (this.ids[at] !== id) return undefined;
    const request = this.slots[at];
    if (request === undefined) return undefined;
    this.slots[at] = undefined;
    --this.size;
    return request;
  }

  /** Puts another request in the place of one that is there. */
  replace(id: number, request: Request): void {
    if (this.get(id) !== undefined) this.slots[id & this.mask] = request;
  }

  /** Takes all requests out, the oldest first. */
  takeAll(): Request[] {
    const places = this.slots.flatMap((each, at) => (each === undefined ? [] : [at]));
    places.sort((a, b) => this.ids[a]! - this.ids[b]!);
    const all = places.map((at) => this.slots[at]!);
    this.slots.fill(undefined);
    this.size = 0;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.wakesAt = Infinity;
    return all;
  }

  /** One timer is enough for all deadlines: calls that end in time do not touch it. */
  private watch(due: number): void {
    if (due >= this.wakesAt) return;
    clearTimeout(this.timer);
    this.wakesAt = due;
    this.timer = setTimeout(this.expire, Math.min(due - now(), longestTimer));
  }

  private readonly expire = (): void => {
    this.wakesAt = Infinity;
    const present = now();
    let next = Infinity;
    const late: Request[] = [];
    for (const each of this.slots) {
      if (each === undefined || each.due === 0) continue;
      if (each.due <= present) late.push(each);
      else if (each.due < next) next = each.due;
    }
    if (next !== Infinity) this.watch(Math.max(next, present + leastWait));
    for (const each of late) each.expire();
  };
}
