// SPDX-License-Identifier: Apache-2.0
//
// Listeners: what they hear, in which form, and what they are told when they have missed something.
import { readAny } from "./cbor/any.js";
import { Reader } from "./cbor/reader.js";
import { Fault, type Value } from "./cbor/value.js";
import { Flag } from "./frame.js";

/** A listener has missed events. */
export interface Gap {
  /** How many; after a reconnect it is not known, and 0. */
  readonly lost: number;
  /** When the first of them was emitted, in milliseconds of Unix time; 0 if it is not known. */
  readonly sinceMs: number;
  /** Whether the connection was lost meanwhile. */
  readonly reconnected: boolean;
}

/** An event whose payload has no known type. */
export interface HostEvent {
  readonly name: string;
  /** Whether it was emitted as a typed event, so that its payload is CBOR. */
  readonly typed: boolean;
  /** The payload as it was emitted. */
  readonly bytes: Uint8Array;
  /** The payload as a value. It throws if the payload is no CBOR. */
  readonly payload: Value;
}

export interface ListenOptions {
  /** Is called in place of events that were lost. */
  onGap?: ((gap: Gap) => void) | undefined;
  /** Whether handlers that emit with `emit_wait` wait for this listener. The host's configuration must allow it. */
  lossless?: boolean | undefined;
}

/** Reads an event from bytes that are valid until it returns. */
export type ReadEvent<T> = (name: string, bytes: Uint8Array, start: number, end: number, flags: number) => T;

/** What a listener does with what it hears. `done` is called when it is done with the event. */
export interface Hearing<T> {
  event(event: T, bytes: number, done: () => void): void;
  gap(gap: Gap): void;
  /** The listener has ended: the context, or because the host has refused it. */
  ended(error: Error | undefined): void;
}

/** Finds the payload of an event, whose place is in `at` and `end` of the reader then; of a gap, reads it. */
function payloadOf(flags: number, bytes: Uint8Array, start: number, end: number): { start: number; end: number } {
  if (!(flags & Flag.eventEnvelope)) return { start, end };
  const input = new Reader(bytes, false, start, end);
  const count = input.map();
  let found: { start: number; end: number } | undefined;
  for (let read = 0; input.more(read, count); ++read) {
    const key = input.text();
    const from = input.at;
    input.skip();
    if (key === "payload") found = { start: from, end: input.at };
  }
  if (!found) throw new Fault("the envelope of an event lacks its payload");
  return found;
}

export function readGap(flags: number, bytes: Uint8Array, start: number, end: number): Gap {
  const place = payloadOf(flags, bytes, start, end);
  const value = readAny(new Reader(bytes, false, place.start, place.end));
  const { lost, since_ms } = (value ?? {}) as { lost?: Value; since_ms?: Value };
  return { lost: Number(lost ?? 0), sinceMs: Number(since_ms ?? 0), reconnected: false };
}

/** One listener, through all connections of its context. */
export class Registration<T> {
  /** Events that have another form than expected, and were left out. */
  unread = 0;
  /** Whether a connection was lost, and the listener was not told yet. */
  gapDue = false;
  /** Whether the host has confirmed it on the present connection. */
  registered = false;
  ended = false;

  constructor(
    readonly id: number,
    readonly pattern: string,
    readonly lossless: boolean,
    private readonly read: ReadEvent<T>,
    readonly hearing: Hearing<T>,
    private readonly report: (error: unknown, what: string) => void,
    private readonly heard: (bytes: number) => void,
  ) {}

  /** Tells of a lost connection, once. */
  tellGap(): void {
    if (!this.gapDue || this.ended) return;
    this.gapDue = false;
    this.call(() => this.hearing.gap({ lost: 0, sinceMs: 0, reconnected: true }));
  }

  event(flags: number, name: string, bytes: Uint8Array, start: number, end: number): void {
    if (this.ended) return;
    this.tellGap();
    const size = end - start + (flags & Flag.eventLossless ? utf8.encode(name).length : name.length);
    const done = flags & Flag.eventLossless ? () => this.heard(size) : () => {};
    let read: T;
    try {
      if (flags & Flag.eventGap) {
        const gap = readGap(flags, bytes, start, end);
        return this.call(() => this.hearing.gap(gap));
      }
      const place = payloadOf(flags, bytes, start, end);
      read = this.read(name, bytes, place.start, place.end, flags);
    } catch (thrown) {
      ++this.unread;
      done();
      return this.report(thrown, `an event ${name} has another form than expected`);
    }
    this.call(() => this.hearing.event(read, size, done));
  }

  end(error: Error | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.call(() => this.hearing.ended(error));
  }

  private call(task: () => void): void {
    try {
      task();
    } catch (thrown) {
      this.report(thrown, `a listener of ${this.pattern} has thrown`);
    }
  }
}

/** What `on` gives back. */
export interface Listener {
  readonly pattern: string;
  /** How many events were lost, as far as it is known. */
  readonly lost: number;
  /** How many events had another form than expected. */
  readonly unread: number;
  /** Ends it: after this call no event comes. The promise ends when the host knows. */
  close(): Promise<void>;
}

const utf8 = new TextEncoder();
const mostWaiting = 8 << 20; // bytes of events that wait in one EventStream
const mostEvents = 65536;

type Item<T> = { event: T; size: number; done: () => void } | { gap: Gap };

/**
 * Events, in the order in which they came.
 *
 *     for await (const event of events) …
 *
 * At most 8 MiB of events wait for the loop. Beyond, events are lost, and `onGap` tells how many, at their place in the
 * order. Leaving the loop ends the listener.
 */
export class EventStream<T> implements AsyncIterable<T>, Hearing<T> {
  /** How many events were lost, as far as it is known. */
  lost = 0;
  private queue: Item<T>[] = [];
  private size = 0;
  private waiting: { resolve(result: IteratorResult<T, undefined>): void; reject(error: Error): void }[] = [];
  private over: { error: Error | undefined } | undefined;
  private last: (() => void) | undefined;

  /** @param close ends the listener */
  constructor(
    private readonly options: ListenOptions,
    private readonly close: () => Promise<void>,
  ) {}

  event(event: T, size: number, done: () => void): void {
    const next = this.waiting.shift();
    if (next) {
      this.last = done;
      next.resolve({ done: false, value: event });
      return;
    }
    if (this.size + size > mostWaiting || this.queue.length >= mostEvents) {
      done();
      return this.lose();
    }
    this.size += size;
    this.queue.push({ event, size, done });
  }

  private lose(): void {
    const last = this.queue.at(-1);
    if (last && "gap" in last && !last.gap.reconnected) {
      last.gap = { ...last.gap, lost: last.gap.lost + 1 };
    } else {
      this.queue.push({ gap: { lost: 1, sinceMs: Date.now(), reconnected: false } });
    }
  }

  gap(gap: Gap): void {
    const last = this.queue.at(-1);
    if (this.waiting.length > 0) this.tell(gap);
    else if (last && "gap" in last) last.gap = joined(last.gap, gap);
    else this.queue.push({ gap });
  }

  private tell(gap: Gap): void {
    this.lost += gap.lost;
    this.options.onGap?.(gap);
  }

  ended(error: Error | undefined): void {
    this.over = { error };
    for (const each of this.waiting.splice(0)) {
      if (error) each.reject(error);
      else each.resolve({ done: true, value: undefined });
    }
  }

  private async next(): Promise<IteratorResult<T, undefined>> {
    this.last?.();
    this.last = undefined;
    for (;;) {
      const item = this.queue.shift();
      if (!item) break;
      if ("gap" in item) {
        this.tell(item.gap);
        continue;
      }
      this.size -= item.size;
      this.last = item.done;
      return { done: false, value: item.event };
    }
    if (this.over?.error) throw this.over.error;
    if (this.over) return { done: true, value: undefined };
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.next(),
      return: async () => {
        this.queue = [];
        this.size = 0;
        await this.close();
        return { done: true, value: undefined };
      },
    };
  }
}

function joined(first: Gap, second: Gap): Gap {
  return {
    lost: first.lost + second.lost,
    sinceMs: first.sinceMs || second.sinceMs,
    reconnected: first.reconnected || second.reconnected,
  };
}

/** Calls a function of the application for each event. */
export class CallbackHearing<T> implements Hearing<T> {
  lost = 0;

  constructor(
    private readonly callback: (event: T) => unknown,
    private readonly options: ListenOptions,
    private readonly report: (error: unknown) => void,
  ) {}

  event(event: T, _size: number, done: () => void): void {
    let result: unknown;
    try {
      result = this.callback(event);
    } finally {
      if (result instanceof Promise) result.then(done, (error: unknown) => (done(), this.report(error)));
      else done();
    }
  }

  gap(gap: Gap): void {
    this.lost += gap.lost;
    this.options.onGap?.(gap);
  }

  ended(): void {}
}
