// SPDX-License-Identifier: Apache-2.0
//
// Host functions: what modules ask of this application.
import type { Ask, Connection } from "./connection.js";
import { encode } from "./cbor/any.js";
import { bytesOf, Fault } from "./cbor/value.js";
import { CallError } from "./errors.js";
import { Frame } from "./frame.js";
import { Status } from "./statuses.js";

/** What a host function knows of the question, besides its payload. */
export interface Asked {
  /** The name of the host function. */
  readonly name: string;
  /** Milliseconds in which somebody waits for the answer; 0: no bound. */
  readonly timeout: number;
  /** Is aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Answers with bytes, now or later. What it throws becomes the answer; a CallError keeps its status, message and detail. */
export type RawFunction = (payload: Uint8Array, asked: Asked) => Uint8Array | Promise<Uint8Array>;

const none = new Uint8Array(0);
const mostAsks = 32768; // that are answered at the same time; the host has a bound of its own

class OpenAsk implements Asked {
  private controller: AbortController | undefined;
  private gone = false;

  constructor(
    readonly name: string,
    readonly timeout: number,
  ) {}

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.gone) this.controller.abort();
    }
    return this.controller.signal;
  }

  end(): void {
    this.gone = true;
    this.controller?.abort();
  }
}

interface Answer {
  status: number;
  payload: Uint8Array;
  message: string;
  detail: Uint8Array;
}

/** The open questions of one connection. */
export class Asks {
  private readonly open = new Map<number | bigint, OpenAsk>();

  constructor(private readonly connection: () => Connection | undefined) {}

  /** Has a function answer. Without one the answer is no_host_function. */
  answer(ask: Ask, run: RawFunction | undefined): void {
    if (this.open.has(ask.token)) throw new Fault(`ask: the token ${ask.token} is in use`);
    const connection = this.connection();
    if (!run) return reply(connection, ask.token, refusal(Status.no_host_function, `no host function ${ask.name}`));
    if (this.open.size >= mostAsks) {
      return reply(connection, ask.token, refusal(Status.overloaded, `open questions of this application: ${mostAsks}`));
    }
    const asked = new OpenAsk(ask.name, ask.timeout);
    this.open.set(ask.token, asked);
    const finish = (answer: Answer): void => {
      if (this.open.get(ask.token) !== asked) return; // nobody waits any more
      this.open.delete(ask.token);
      reply(connection, ask.token, answer);
    };
    const failed = (thrown: unknown): void => finish(answerOf(thrown));
    const succeeded = (payload: Uint8Array): void => finish({ status: Status.ok, payload, message: "", detail: none });
    try {
      const result = run(ask.payload, asked);
      if (result instanceof Uint8Array) succeeded(result);
      else Promise.resolve(result).then(succeeded, failed);
    } catch (thrown) {
      failed(thrown);
    }
  }

  /** Nobody waits for an answer any more. */
  end(token: number | bigint): void {
    const asked = this.open.get(token);
    this.open.delete(token);
    asked?.end();
  }

  endAll(): void {
    for (const token of [...this.open.keys()]) this.end(token);
  }
}

function refusal(status: number, message: string): Answer {
  return { status, payload: none, message, detail: none };
}

function reply(connection: Connection | undefined, token: number | bigint, answer: Answer): void {
  const write = (each: Answer): void =>
    connection?.send(Frame.answer, 6, (out) => {
      out.bigint(BigInt(token));
      out.int(each.status);
      out.byteString(bytesOf(each.payload));
      out.text(each.message);
      out.byteString(bytesOf(each.detail));
    });
  try {
    write(answer);
  } catch (thrown) {
    write(refusal(Status.exception, thrown instanceof Error ? thrown.message.slice(0, 1000) : "the answer cannot be sent"));
  }
}

/** What a host function has thrown, as an answer. */
function answerOf(thrown: unknown): Answer {
  if (thrown instanceof CallError) {
    const bad = thrown.status === Status.ok || thrown.status === Status.stale || thrown.status === Status.partial;
    return { status: bad ? Status.exception : thrown.status, payload: none, message: thrown.message, detail: detailOf(thrown) };
  }
  if (thrown instanceof Fault) return refusal(Status.bad_payload, thrown.message);
  return refusal(Status.exception, thrown instanceof Error ? thrown.message : String(thrown));
}

function detailOf(error: CallError): Uint8Array {
  if (error.detailBytes.length > 0 || error.detail === undefined) return error.detailBytes;
  try {
    return encode(error.detail as Parameters<typeof encode>[0]);
  } catch {
    return none;
  }
}
