// SPDX-License-Identifier: Apache-2.0
//
// What the class of a module in generated code stands on: calls with types, which wait until the interface is checked.
import type { CallOptions } from "./bound.js";
import type { Reading } from "./calls.js";
import type { Context } from "./context.js";
import type { CallError } from "./errors.js";
import type { EventStream, Listener, ListenOptions, ReadEvent } from "./events.js";
import type { Expectation, Interface, InterfaceState } from "./expectations.js";
import type { Asked } from "./functions.js";
import { emptyMap, type Invoker, type Prepared, type Sending } from "./invoking.js";
import { WireName } from "./methods.js";
import type { Provided } from "./providers.js";
import { ReplyStream } from "./stream.js";
import type { Type, Writer } from "./types/type.js";
import type { Parts } from "./upload.js";

/** An error that calls of a module declare. */
export interface Declared {
  readonly status: number;
  /** Makes the error of generated code. */
  readonly make: (message: string, detail: never) => CallError;
  readonly detail: Type<any> | null;
}

/** The types of a call; null where there is nothing. */
export interface CallShape {
  readonly name: string;
  readonly request: Type<any> | null;
  readonly part?: Type<any>;
  readonly reply: Type<any> | null;
  readonly partial?: Type<any>;
  readonly errors?: readonly Declared[];
}

/** A call that is ready to be made. */
export interface CallType<Request, Reply, Partial = never, Part = never> {
  readonly name: WireName;
  readonly encode: (request: Request) => Uint8Array;
  /** The same in memory that the next value takes. */
  readonly encodeShared: (request: Request) => Uint8Array | Writer;
  readonly encodePart: ((part: Part) => Uint8Array) | undefined;
  readonly reading: Reading<Partial, Reply>;
}

const unfit = "the answer has another form than expected: ";

/** A type's reader. A null type is nothing: whatever comes is ignored. */
function readerOf<T>(type: Type<T> | null, before: string): (bytes: Uint8Array, start: number, end: number) => T {
  if (!type) return () => undefined as T;
  return (bytes, start, end) => type.decodeAt(bytes, start, end, false, before);
}

export function callType<Request, Reply, Partial = never, Part = never>(shape: CallShape): CallType<Request, Reply, Partial, Part> {
  const { request, part, errors = [] } = shape;
  const declared = new Map(errors.map((each) => [each.status, each]));
  const fail = (status: number, message: string, detail: Uint8Array): Error | undefined => {
    const known = declared.get(status);
    if (!known) return undefined;
    const value = known.detail ? (known.detail.decode(detail) as never) : (undefined as never);
    return known.make(message, value);
  };
  return {
    name: new WireName(shape.name, true),
    encode: request ? (value) => request.encode(value) : () => emptyMap,
    encodeShared: request ? (value) => request.encodeShared(value) : () => emptyMap,
    encodePart: part && ((value) => part.encode(value)),
    reading: {
      reply: readerOf<Reply>(shape.reply, unfit),
      ...(shape.partial && { part: readerOf<Partial>(shape.partial, "a part of the answer has another form than expected: ") }),
      ...(declared.size > 0 && { fail }),
    },
  };
}

/** A module of a context, whose interface the host compares with the one that the code was made of. */
export class Module {
  private readonly expectation: Expectation;
  private readonly invoker: Invoker;

  constructor(
    private readonly context: Context,
    expected: Interface,
  ) {
    this.invoker = context.invoker;
    this.expectation = context.expect(expected);
  }

  /** How the interfaces compare, once the host has answered. Rejects if callers break. */
  async checked(): Promise<InterfaceState> {
    await this.expectation.gate();
    const { state, expected } = this.expectation;
    return state ?? { module: expected.module, verdict: "unchecked", message: "there is no connection", report: null };
  }

  call<Request, Reply, Part>(
    type: CallType<Request, Reply, never, Part>,
    request: Request,
    options?: CallOptions,
    parts?: Parts<Part>,
  ): Promise<Reply> {
    try {
      const payload = type.encodeShared(request);
      const gate = this.expectation.gate();
      const sending = parts && sendingOf(type, parts);
      if (gate === undefined) return this.invoker.invoke(type.name, payload, type.reading, options, sending);
      const copy = payload instanceof Uint8Array ? payload : payload.copy();
      return gate.then(() => this.invoker.invoke(type.name, copy, type.reading, options, sending));
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  stream<Request, Reply, Partial, Part>(
    type: CallType<Request, Reply, Partial, Part>,
    request: Request,
    options?: CallOptions,
    parts?: Parts<Part>,
  ): ReplyStream<Partial, Reply> {
    const prepare = async (): Promise<Prepared<Partial, Reply, Part>> => {
      const prepared = { name: type.name, payload: type.encode(request), reading: type.reading };
      const sending = parts && sendingOf(type, parts);
      await this.expectation.gate();
      return sending ? { ...prepared, parts: sending } : prepared;
    };
    return this.invoker.invokeStream(prepare(), options);
  }

  on<T>(name: string, type: Type<T> | null, callback: (event: T) => unknown, options?: ListenOptions): Promise<Listener> {
    return this.context.listening.on(name, eventReader(type), callback, options);
  }

  events<T>(name: string, type: Type<T> | null, options?: ListenOptions): EventStream<T> {
    return this.context.listening.events(name, eventReader(type), options);
  }

  /** Questions are read strictly, as a module reads requests. */
  provide<Request, Reply>(
    name: string,
    request: Type<Request> | null,
    reply: Type<Reply> | null,
    answer: (request: Request, asked: Asked) => Reply | Promise<Reply>,
  ): Promise<Provided> {
    const encode = (value: Reply): Uint8Array => {
      try {
        return reply ? reply.encode(value) : Uint8Array.of(0xf6);
      } catch (thrown) {
        // The fault is this program's, not that of who asks.
        throw new Error(`the answer of ${name} does not fit: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      }
    };
    return this.context.provideRaw(name, (payload, asked) => {
      const value = request ? request.decode(payload, { strict: true }) : (undefined as Request);
      const result = answer(value, asked);
      return result instanceof Promise ? result.then(encode) : encode(result);
    });
  }

  /** The same for a function without an argument. */
  provideWithout<Reply>(
    name: string,
    reply: Type<Reply> | null,
    answer: (asked: Asked) => Reply | Promise<Reply>,
  ): Promise<Provided> {
    return this.provide<void, Reply>(name, null, reply, (_request, asked) => answer(asked));
  }
}

function sendingOf<Part>(type: CallType<any, any, any, Part>, parts: Parts<Part>): Sending<Part> | undefined {
  return type.encodePart && { source: parts, encode: type.encodePart };
}

function eventReader<T>(type: Type<T> | null): ReadEvent<T> {
  const read = readerOf<T>(type, "");
  return (_name, bytes, start, end) => read(bytes, start, end);
}

/** The arguments of a CallError with a detail of a type. */
export function detailed<T>(type: Type<T>, detail: T): { detail: T; detailBytes: Uint8Array } {
  return { detail, detailBytes: type.encode(detail) };
}
