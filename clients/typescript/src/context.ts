// SPDX-License-Identifier: Apache-2.0
//
// A context of a running host, as an application uses it. It stays the same when the connection below it breaks and comes
// back.
import type { CallOptions } from "./bound.js";
import { readAny } from "./cbor/any.js";
import { Reader } from "./cbor/reader.js";
import type { Value } from "./cbor/value.js";
import type { HostInfo } from "./connection.js";
import { failure } from "./errors.js";
import { type EventStream, type HostEvent, type Listener, type ListenOptions } from "./events.js";
import { Expectation, type Interface, type InterfaceState } from "./expectations.js";
import { Flag } from "./frame.js";
import { type Asked, type RawFunction } from "./functions.js";
import { emptyMap, Invoker, payloadOf, readValue } from "./invoking.js";
import { Link, type LinkOptions } from "./link.js";
import { Listeners } from "./listeners.js";
import { Management } from "./management.js";
import { Method } from "./method.js";
import { WireName } from "./methods.js";
import { type Provided, Providers } from "./providers.js";
import { Status } from "./statuses.js";
import type { ReplyStream } from "./stream.js";
import type { Transport } from "./transport.js";
import { unixTransport } from "./unix.js";
import type { Parts } from "./upload.js";

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

export class Context {
  private readonly link: Link;
  /** @internal Makes calls, for generated code. */
  readonly invoker: Invoker;
  private readonly names = new Map<string, WireName>();
  private readonly resolved = new Set<WireName>(); // by any connection so far
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
    this.invoker = new Invoker(this.link);
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
    return this.invoker.call(new WireName(name), request, options);
  }

  /** Calls a wire name with bytes, and gives back the bytes of the answer. */
  async callRaw(name: string, request: Uint8Array = emptyMap, options?: CallOptions): Promise<Uint8Array> {
    return this.invoker.callRaw(new WireName(name), request, options);
  }

  /** Calls a wire name that answers in parts; `parts` are the further parts of the request. */
  stream(name: string, request: Value = {}, options?: CallOptions & { parts?: Parts<Value> }): ReplyStream<Value, Value> {
    return this.invoker.stream(new WireName(name), request, options);
  }

  /** The same with bytes. */
  streamRaw(name: string, request: Uint8Array, options?: CallOptions & { parts?: Parts<Uint8Array> }): ReplyStream<Uint8Array, Uint8Array> {
    return this.invoker.streamRaw(new WireName(name), request, options);
  }

  /**
   * Resolves a wire name to a handle, for many calls without generated code; generated code does so by itself. Rejects with
   * `unknown_name` if no module has the name.
   */
  async method(name: string): Promise<Method> {
    let wire = this.names.get(name);
    if (!wire) {
      wire = new WireName(name, true);
      this.names.set(name, wire); // also if it fails: a further try has the same place
    }
    await this.link.connection.methods.find(wire);
    this.resolved.add(wire);
    return new Method(this.invoker, wire);
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
    const { methods } = this.link.connection;
    for (const each of this.resolved) methods.find(each).catch(() => {}); // calls go on by name
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

