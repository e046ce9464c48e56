// SPDX-License-Identifier: Apache-2.0
//
// Calls with one answer, and with partial replies.
import type { Bound } from "./bound.js";
import { Fault } from "./cbor/value.js";
import type { Connection, Request } from "./connection.js";
import { CallError, failure } from "./errors.js";
import { Frame } from "./frame.js";
import { Status } from "./statuses.js";
import { counted, Window } from "./window.js";

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
  bound: Bound | undefined;
  /** Ends what sends the request's parts, if it has any. */
  upload: { ended(): void; credit(bytes: number): void } | undefined;
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

/** A call whose partial replies nobody reads. */
export class SingleCall<Reply> extends Call<Reply> {
  constructor(
    connection: Connection,
    read: Reading<unknown, Reply>,
    private readonly resolve: (reply: Reply) => void,
    private readonly reject: (error: Error) => void,
  ) {
    super(connection, read);
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

/** The parts of a reply that nobody has read yet. They are read from their bytes when somebody asks for them. */
export class StreamCall<Part, Reply> extends Call<Reply> {
  /** Whether nobody reads parts: they are dropped as they come. */
  private dropping = false;
  private queue: Uint8Array[] = [];
  private first = 0;
  private waiting: Waiting<Part>[] = [];
  private credited = 0;
  private crediting = false;
  private readonly window: Window;
  private outcome: { error: Error | undefined; reply: Reply | undefined } | undefined;
  private wanted: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];

  constructor(
    connection: Connection,
    private readonly reading: Reading<Part, Reply>,
    private readonly bounds: { bytes: number; parts: number; credit: boolean },
  ) {
    super(connection, reading);
    this.window = new Window(bounds.bytes, bounds.parts);
  }

  part(status: number, bytes: Uint8Array, start: number, end: number): void {
    if (status !== Status.partial) return;
    const size = end - start;
    if (!this.window.hasRoom(size)) {
      if (this.bounds.credit) throw failureOfWindow(this.id, this.bounds);
      return this.giveUp(failure(Status.overloaded, `parts that nobody reads: ${this.bounds.bytes} bytes; this host takes no credit`));
    }
    this.window.add(size);
    if (this.done || this.dropping) return this.free(size);
    const next = this.waiting.shift();
    if (!next) {
      this.queue.push(bytes.slice(start, end));
      return;
    }
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
    this.window.credit(counted(size));
    if (this.done || !this.bounds.credit) return;
    this.credited += counted(size);
    if (this.credited >= this.bounds.bytes / 4) return this.sendCredit();
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
    if (this.first < this.queue.length) {
      const bytes = this.queue[this.first++]!;
      if (this.first === this.queue.length) {
        this.queue = [];
        this.first = 0;
      } else if (this.first >= 1024) {
        this.queue.splice(0, this.first);
        this.first = 0;
      }
      this.free(bytes.length);
      return new Promise((resolve, reject) => this.give({ resolve, reject }, bytes, 0, bytes.length));
    }
    if (this.outcome) {
      const { error } = this.outcome;
      return error ? Promise.reject(error) : Promise.resolve({ done: true, value: undefined });
    }
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** Nobody reads further parts. */
  drop(): void {
    this.dropping = true;
    const rest = this.queue.slice(this.first);
    this.queue = [];
    this.first = 0;
    for (const each of rest) this.free(each.length);
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

function failureOfWindow(id: number, bounds: { bytes: number; parts: number }): Error {
  return new Fault(`a part of call ${id} beyond its window of ${bounds.bytes} bytes and ${bounds.parts} parts`);
}
