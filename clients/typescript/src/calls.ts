// SPDX-License-Identifier: Apache-2.0
//
// Calls with one answer, and with partial replies.
import { type Bound, lateError } from "./bound.js";
import { Fault } from "./cbor/value.js";
import type { Connection } from "./connection.js";
import { CallError, failure } from "./errors.js";
import { Frame } from "./frame.js";
import { Kept } from "./kept.js";
import type { Request } from "./requests.js";
import { Status } from "./statuses.js";
import { counted } from "./window.js";

/** Reads an answer from bytes that are valid until it returns. */
export type Read<T> = (bytes: Uint8Array, start: number, end: number) => T;
/** Makes the error of an answer, if it is one that it knows. */
export type Fail = (status: number, message: string, detail: Uint8Array) => Error | undefined;

/** How the answers of a call are read. */
export interface Reading<Part, Reply> {
  readonly reply: Read<Reply>;
  readonly part?: Read<Part>;
  readonly fail?: Fail;
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}

/** What all calls share: the end comes once, from the host, the connection, or a deadline here. */
abstract class Call<Reply> implements Request {
  id = 0;
  due = 0;
  /** The timeout of the call in milliseconds. */
  timeout = 0;
  bound: Bound | undefined = undefined;
  /** Ends what sends the request's parts, if it has any. */
  upload: { ended(): void; credit(bytes: number): void } | undefined = undefined;
  protected done = false;

  constructor(
    protected readonly connection: Connection,
    private readonly read: Reading<unknown, Reply>,
  ) {}

  get isDone(): boolean {
    return this.done;
  }

  abstract part(status: number, bytes: Uint8Array, start: number, end: number): void;
  protected abstract settle(error: Error | undefined, reply: Reply | undefined): void;

  end(status: number, bytes: Uint8Array, start: number, end: number, message: string, detail: Uint8Array): void {
    if (this.done) return;
    if (status !== Status.ok) return this.finish(this.errorOf(status, message, detail));
    let reply: Reply;
    try {
      reply = this.read.reply(bytes, start, end);
    } catch (thrown) {
      return this.finish(asError(thrown));
    }
    this.finish(undefined, reply);
  }

  private errorOf(status: number, message: string, detail: Uint8Array): Error {
    try {
      const known = this.read.fail?.(status, message, detail);
      if (known) return known;
    } catch {
      // The detail has another form than this program knows: the error has it as bytes.
    }
    return failure(status, message, { detailBytes: detail, ...this.bound?.cause(status) });
  }

  credit(bytes: number): void {
    this.upload?.credit(bytes);
  }

  fail(error: CallError): void {
    this.finish(error);
  }

  expire(): void {
    this.giveUp(lateError(this.timeout));
  }

  /** Ends the call here, and tells the host that nobody waits for it any more. */
  giveUp(error: Error): void {
    if (this.done) return;
    this.connection.cancel(this.id);
    this.connection.abandon(this.id);
    this.finish(error);
  }

  /** Asks the host to end the call. Its answer says how it has ended. */
  cancel(): void {
    if (!this.done) this.connection.cancel(this.id);
  }

  private finish(error: Error | undefined, reply?: Reply): void {
    if (this.done) return;
    this.done = true;
    this.bound?.release();
    this.upload?.ended();
    this.settle(error, reply);
  }
}

let resolvePromise: (value: any) => void;
let rejectPromise: (error: Error) => void;
const settlers = (resolve: (value: any) => void, reject: (error: Error) => void): void => {
  resolvePromise = resolve;
  rejectPromise = reject;
};

/** A call whose partial replies nobody reads. */
export class SingleCall<Reply> extends Call<Reply> {
  readonly promise: Promise<Reply>;
  private readonly resolve: (reply: Reply) => void;
  private readonly reject: (error: Error) => void;

  constructor(connection: Connection, read: Reading<unknown, Reply>) {
    super(connection, read);
    this.promise = new Promise<Reply>(settlers);
    this.resolve = resolvePromise;
    this.reject = rejectPromise;
  }

  part(): void {}

  protected settle(error: Error | undefined, reply: Reply | undefined): void {
    if (error) this.reject(error);
    else this.resolve(reply as Reply);
  }
}

interface Waiting<Part> {
  resolve(result: IteratorResult<Part, undefined>): void;
  reject(error: Error): void;
}

/** How much of a call's parts may wait here. */
export interface Room {
  readonly bytes: number;
  readonly parts: number;
  /** Whether the host is told when a part is read. */
  readonly credit: boolean;
}

/** The parts of a reply that nobody has read yet. They are read from their bytes when somebody asks for them. */
export class StreamCall<Part, Reply> extends Call<Reply> {
  /** Whether nobody reads parts: they are dropped as they come. */
  private dropping = false;
  private readonly kept = new Kept();
  private waiting: Waiting<Part>[] = [];
  private credited = 0;
  private crediting = false;
  private outcome: { error: Error | undefined; reply: Reply | undefined } | undefined = undefined;
  private wanted: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];

  constructor(
    connection: Connection,
    private readonly reading: Reading<Part, Reply>,
    private readonly room: Room,
  ) {
    super(connection, reading);
  }

  part(status: number, bytes: Uint8Array, start: number, end: number): void {
    if (status !== Status.partial) return;
    const size = counted(end - start);
    const { kept, room } = this;
    // A part that is larger than the window comes alone.
    if (kept.count !== 0 && (kept.count >= room.parts || kept.size + size > room.bytes)) {
      if (room.credit) throw failureOfWindow(this.id, room);
      return this.giveUp(failure(Status.overloaded, `parts that nobody reads: ${room.bytes} bytes; this host takes no credit`));
    }
    if (this.done || this.dropping) return this.free(size);
    if (this.waiting.length === 0) return kept.add(bytes, start, end);
    const next = this.waiting.shift()!;
    this.free(size);
    this.give(next, bytes, start, end);
  }

  private give(to: Waiting<Part>, bytes: Uint8Array, start: number, end: number): void {
    try {
      to.resolve({ done: false, value: this.reading.part!(bytes, start, end) });
    } catch (thrown) {
      const error = asError(thrown);
      this.giveUp(error);
      to.reject(error);
    }
  }

  /** A part of this size makes room for others. The host hears of many parts at once, at the latest before it is waited for. */
  private free(size: number): void {
    if (this.done || !this.room.credit) return;
    this.credited += size;
    if (this.credited >= this.room.bytes / 4) return this.sendCredit();
    if (this.crediting) return;
    this.crediting = true;
    this.connection.later(this.creditLater);
  }

  private readonly creditLater = (): void => {
    this.crediting = false;
    this.sendCredit();
  };

  private sendCredit(): void {
    if (this.credited === 0 || this.done) return;
    const bytes = this.credited;
    this.credited = 0;
    this.connection.send(Frame.credit, 3, (out) => {
      out.int(this.id);
      out.int(bytes);
    });
  }

  next(): Promise<IteratorResult<Part, undefined>> {
    const { kept } = this;
    if (kept.count > 0) {
      const size = kept.take();
      this.free(counted(size));
      try {
        return Promise.resolve({ done: false, value: this.reading.part!(kept.bytes, kept.start, kept.start + size) });
      } catch (thrown) {
        const error = asError(thrown);
        this.giveUp(error);
        return Promise.reject(error);
      }
    }
    if (this.outcome) {
      const { error } = this.outcome;
      return error ? Promise.reject(error) : Promise.resolve({ done: true, value: undefined });
    }
    const promise = new Promise<IteratorResult<Part, undefined>>(settlers);
    this.waiting.push({ resolve: resolvePromise, reject: rejectPromise });
    return promise;
  }

  /** Nobody reads further parts. */
  drop(): void {
    this.dropping = true;
    while (this.kept.count > 0) this.free(counted(this.kept.take()));
  }

  reply(): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (!this.outcome) this.wanted.push({ resolve, reject });
      else if (this.outcome.error) reject(this.outcome.error);
      else resolve(this.outcome.reply as Reply);
    });
  }

  protected settle(error: Error | undefined, reply: Reply | undefined): void {
    this.outcome = { error, reply };
    for (const each of this.waiting.splice(0)) {
      if (error) each.reject(error);
      else each.resolve({ done: true, value: undefined });
    }
    for (const each of this.wanted.splice(0)) {
      if (error) each.reject(error);
      else each.resolve(reply as Reply);
    }
  }
}

function failureOfWindow(id: number, room: Room): Error {
  return new Fault(`a part of call ${id} beyond its window of ${room.bytes} bytes and ${room.parts} parts`);
}
