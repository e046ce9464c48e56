// SPDX-License-Identifier: Apache-2.0
//
// A context of a running host, as an application uses it. It stays the same when the connection below it breaks and comes
// back.
import { encode as encodeValue, readAny } from "./cbor/any.js";
import { Reader } from "./cbor/reader.js";
import type { Value } from "./cbor/value.js";
import { Writer } from "./cbor/writer.js";
import { abortedBefore, Bound, type CallOptions, timeoutOf } from "./bound.js";
import { type Reading, SingleCall, StreamCall } from "./calls.js";
import type { Connection, HostInfo } from "./connection.js";
import { asFailure, failure } from "./errors.js";
import { type EventStream, type HostEvent, type Listener, type ListenOptions } from "./events.js";
import { Expectation, type Interface, type InterfaceState } from "./expectations.js";
import { defaultWindow, Flag, largestWindow } from "./frame.js";
import { type Asked, type RawFunction } from "./functions.js";
import { Link, type LinkOptions } from "./link.js";
import { Listeners } from "./listeners.js";
import { Management } from "./management.js";
import { type Provided, Providers } from "./providers.js";
import { Status } from "./statuses.js";
import { ReplyStream } from "./stream.js";
import type { Transport } from "./transport.js";
import { unixTransport } from "./unix.js";
import { type Parts, sendParts } from "./upload.js";

export interface ConnectOptions extends LinkOptions {
  /** The host's socket. Without it: $BACKPLANE_SOCKET, then the socket that `backplane run` has by default. */
  socketPath?: string | undefined;
  /** Another way to the host than its Unix socket. */
  transport?: Transport | undefined;
  /** Is called when the interface of a module is, or becomes, another one than generated code was made of. */
  onInterfaceChange?: ((state: InterfaceState) => void) | undefined;
  /** Takes what callbacks of the application throw, and events that cannot be read. Without it they go to console.error. */
  onError?: ((error: unknown, what: string) => void) | undefined;
}

/** A call whose bytes are ready: what generated code uses. */
export interface Prepared<Part, Reply, Sent = never> {
  /** The CBOR text item with the wire name. */
  readonly name: Uint8Array;
  /** It is copied before the call of `invoke` returns. */
  readonly payload: Uint8Array | Writer;
  readonly reading: Reading<Part, Reply>;
  /** The further parts of the request. */
  readonly parts?: { source: Parts<Sent>; encode: (part: Sent) => Uint8Array };
}

const emptyMap = Uint8Array.of(0xa0);
const mostUnread = 64 << 20; // bytes of parts that wait here, of a host that takes no credit
const unfit = "the answer has another form than expected: ";

export class Context {
  private readonly link: Link;
  private readonly listeners: Listeners;
  private readonly providers: Providers;
  private readonly expectations = new Map<string, Expectation>();
  private watching: Promise<unknown> | undefined;
  /** Module operations and reports of the host. */
  readonly modules: Management;

  private constructor(private readonly options: ConnectOptions) {
    const report = (error: unknown, what: string): void => this.report(error, what);
    this.link = new Link(
      options.transport ?? unixTransport(options.socketPath),
      options,
      {
        event: (listener, flags, name, bytes, start, end) => this.listeners.event(listener, flags, name, bytes, start, end),
        ask: (ask) => this.providers.ask(ask),
        unask: (token) => this.providers.unask(token),
      },
      { up: () => this.up(), down: () => this.down(), gone: () => this.gone() },
      report,
    );
    this.listeners = new Listeners(this.link, report);
    this.providers = new Providers(this.link);
    this.modules = new Management(this.link);
  }

  /** Connects to a running host. Rejects with an UnreachableError if there is none. */
  static async connect(options: ConnectOptions = {}): Promise<Context> {
    const context = new Context(options);
    await context.link.open();
    return context;
  }

  /** What the host says of itself; undefined while there is no connection. */
  get host(): HostInfo | undefined {
    return this.link.current?.host;
  }

  get isConnected(): boolean {
    return this.link.current !== undefined;
  }

  /** Calls a wire name with any value, and gives back any value. */
  async call(name: string, request: Value = {}, options?: CallOptions): Promise<Value> {
    return this.invoke({ name: textItem(name), payload: payloadOf(request), reading: { reply: readValue } }, options);
  }

  /** Calls a wire name with bytes, and gives back the bytes of the answer. */
  async callRaw(name: string, request: Uint8Array = emptyMap, options?: CallOptions): Promise<Uint8Array> {
    return this.invoke({ name: textItem(name), payload: request, reading: { reply: readBytes } }, options);
  }

  /** Calls a wire name that answers in parts; `parts` are the further parts of the request. */
  stream(name: string, request: Value = {}, options?: CallOptions & { parts?: Parts<Value> }): ReplyStream<Value, Value> {
    const parts = options?.parts && { parts: { source: options.parts, encode: payloadOf } };
    const prepare = async (): Promise<Prepared<Value, Value, Value>> => ({
      name: textItem(name),
      payload: payloadOf(request),
      reading: { reply: readValue, part: readValue },
      ...parts,
    });
    return this.invokeStream(prepare(), options);
  }

  /** The same with bytes. */
  streamRaw(name: string, request: Uint8Array, options?: CallOptions & { parts?: Parts<Uint8Array> }): ReplyStream<Uint8Array, Uint8Array> {
    const parts = options?.parts && { parts: { source: options.parts, encode: (part: Uint8Array) => part } };
    const reading = { reply: readBytes, part: readBytes };
    const prepared = Promise.resolve({ name: textItem(name), payload: request, reading, ...parts });
    return this.invokeStream<Uint8Array, Uint8Array, Uint8Array>(prepared, options);
  }

  /** @internal A call with one answer. */
  invoke<Reply, Sent>(call: Prepared<unknown, Reply, Sent>, options?: CallOptions): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const made = new SingleCall<Reply>(this.link.connection, call.reading, resolve, reject);
      this.begin(made, this.link.connection, call, options, Flag.callNoStale);
    });
  }

  /** @internal A call with partial replies. */
  invokeStream<Part, Reply, Sent>(
    prepared: Promise<Prepared<Part, Reply, Sent>>,
    options?: CallOptions,
  ): ReplyStream<Part, Reply> {
    const begun = prepared.then((call) => {
      const bytes = windowOf("windowBytes", options?.windowBytes, defaultWindow.bytes, largestWindow.bytes);
      const parts = windowOf("windowParts", options?.windowParts, defaultWindow.parts, largestWindow.parts);
      const { connection } = this.link;
      if (connection.has("credit")) {
        const made = new StreamCall<Part, Reply>(connection, call.reading, { bytes, parts, credit: true });
        this.begin(made, connection, call, options, Flag.callNoStale | Flag.callCredit, { bytes, parts });
        return made;
      }
      const made = new StreamCall<Part, Reply>(connection, call.reading, { bytes: mostUnread, parts: Infinity, credit: false });
      this.begin(made, connection, call, options, Flag.callNoStale);
      return made;
    });
    return new ReplyStream(begun);
  }

  private begin<Sent>(
    made: SingleCall<any> | StreamCall<any, any>,
    connection: Connection,
    call: Prepared<unknown, unknown, Sent>,
    options: CallOptions | undefined,
    flags: number,
    window?: { bytes: number; parts: number },
  ): void {
    const aborted = abortedBefore(options?.signal);
    if (aborted) throw aborted;
    const timeout = timeoutOf(options);
    const { parts } = call;
    if (parts && !connection.has("parts")) throw failure(Status.not_supported, "this host takes no requests in parts");
    made.id = connection.call(made, call.name, call.payload, timeout, parts ? flags | Flag.callParts : flags, window);
    made.bound = Bound.make(
      options,
      () => made.cancel(),
      (error) => made.giveUp(error),
    );
    if (parts) void sendParts(connection, made, parts.source, parts.encode);
  }

  /**
   * Calls a function for each event that the pattern matches: a name, or a prefix that ends in `*`. The promise ends when
   * the host has confirmed the listener. The listener survives the connection; then `onGap` is called once.
   */
  on(pattern: string, callback: (event: HostEvent) => unknown, options?: ListenOptions): Promise<Listener> {
    return this.listeners.on(pattern, readEvent, callback, options);
  }

  /** The events that the pattern matches, for a loop. It listens from this call on. */
  events(pattern: string, options?: ListenOptions): EventStream<HostEvent> {
    return this.listeners.events(pattern, readEvent, options);
  }

  /** @internal The listeners, for generated code. */
  get listening(): Listeners {
    return this.listeners;
  }

  /**
   * Answers what modules ask of the application. The function may be async. What it throws becomes the answer; a
   * CallError keeps its status, message and detail. The host function survives the connection.
   */
  provide(name: string, answer: (request: Value, asked: Asked) => Value | Promise<Value>): Promise<Provided> {
    return this.provideRaw(name, (payload, asked) => {
      const input = new Reader(payload);
      const request = readAny(input);
      input.finish();
      const result = answer(request, asked);
      return result instanceof Promise ? result.then(payloadOf) : payloadOf(result);
    });
  }

  /** Answers with bytes what modules ask with bytes. */
  provideRaw(name: string, answer: RawFunction): Promise<Provided> {
    return this.providers.provide(name, answer);
  }

  /**
   * States which interface of a module this program was built for. Calls of generated code wait for the answer of the
   * host, and fail with `interface_changed` if they may break. The host is asked again after each reconnect, and when the
   * module is loaded or reloaded.
   */
  expect(expected: Interface): Expectation {
    const key = `${expected.module} ${expected.hash}`;
    let made = this.expectations.get(key);
    if (!made) {
      made = new Expectation(expected, {
        connection: () => this.link.connection,
        ask: (type, items, write) => this.modules.request(type, items, write),
        changed: (state) => this.interfaceChanged(state),
      });
      this.expectations.set(key, made);
      this.watch();
      void made.check();
    }
    return made;
  }

  /** Hears of loads and reloads, if this connection may listen. */
  private watch(): void {
    if (this.watching || !this.link.current || this.expectations.size === 0) return;
    const again = (module?: Value): void => {
      for (const each of this.expectations.values()) {
        if (module === undefined || module === each.expected.module) each.recheck();
      }
    };
    this.watching = this.on(
      "backplane.module_*",
      (event) => {
        const { payload } = event;
        const module = payload && typeof payload === "object" && "module" in payload ? payload.module : undefined;
        again(module as Value);
      },
      { onGap: (gap) => void (gap.reconnected || again()) },
    ).catch(() => (this.watching = undefined));
  }

  private interfaceChanged(state: InterfaceState): void {
    try {
      this.options.onInterfaceChange?.(state);
    } catch (thrown) {
      this.report(thrown, "onInterfaceChange has thrown");
    }
  }

  private up(): void {
    // First what calls wait for.
    for (const each of this.expectations.values()) each.recheck();
    this.providers.restore();
    this.listeners.restore();
    this.watch();
  }

  private down(): void {
    for (const each of this.expectations.values()) each.state = undefined;
    this.providers.down();
    this.listeners.down();
  }

  /** The client does not connect again: who waits for events learns it. */
  private gone(): void {
    this.listeners.endAll(failure(Status.unreachable, "the connection is gone, and the client does not try again"));
  }

  private report(error: unknown, what: string): void {
    if (!this.options.onError) return console.error(`backplane: ${what}:`, error);
    try {
      this.options.onError(error, what);
    } catch (thrown) {
      console.error("backplane: onError has thrown:", thrown);
    }
  }

  /**
   * Ends the context. Open calls have `drain` milliseconds to finish, 1000 by default; the rest is canceled. Loops over
   * events end.
   */
  async close(options: { drain?: number } = {}): Promise<void> {
    const until = Date.now() + (options.drain ?? 1000);
    this.listeners.endAll(undefined);
    while ((this.link.current?.openRequests ?? 0) > 0 && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.link.close();
  }
}

function windowOf(name: string, value: number | undefined, normal: number, most: number): number {
  if (value === undefined || value === 0) return normal;
  if (Number.isInteger(value) && value > 0 && value <= most) return value;
  throw failure(Status.invalid_argument, `${name}: expected 1 to ${most}, got ${value}`);
}

/** The CBOR text item of a wire name. */
export function textItem(name: string): Uint8Array {
  const out = new Writer(name.length + 16);
  out.text(name);
  return out.copy();
}

function payloadOf(value: Value): Uint8Array {
  try {
    return encodeValue(value);
  } catch (thrown) {
    throw asFailure(thrown, "");
  }
}

function readValue(bytes: Uint8Array, start: number, end: number): Value {
  const input = new Reader(bytes, false, start, end);
  try {
    const value = readAny(input);
    input.finish();
    return value;
  } catch (thrown) {
    throw asFailure(thrown, unfit);
  }
}

function readBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes.slice(start, end);
}

function readEvent(name: string, bytes: Uint8Array, start: number, end: number, flags: number): HostEvent {
  const copy = bytes.slice(start, end);
  return {
    name,
    typed: (flags & Flag.eventEnvelope) !== 0,
    bytes: copy,
    get payload() {
      return readValue(copy, 0, copy.length);
    },
  };
}

