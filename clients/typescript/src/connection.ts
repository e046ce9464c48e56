// SPDX-License-Identifier: Apache-2.0
//
// One connection, from the hello to its end: frames go out, and each frame that comes in goes to whom it is for. When it
// ends, each open request fails once. Nothing here connects again; context.ts does.
import { Fault } from "./cbor/value.js";
import { Writer } from "./cbor/writer.js";
import { failure } from "./errors.js";
import { defaultMaxFrame, defaultWindow, Flag, Frame, FrameReader, largestHello, leastMaxFrame, protocolVersion } from "./frame.js";
import { Methods, type WireName } from "./methods.js";
import { found, readReply, writeCall } from "./quick.js";
import { Ignored, type Request, Requests } from "./requests.js";
import { Splitter } from "./splitter.js";
import { Status } from "./statuses.js";
import type { ByteStream, Transport } from "./transport.js";
import { version } from "./version.js";

export interface Ask {
  token: number | bigint;
  name: string;
  payload: Uint8Array;
  timeout: number;
}

/** Takes what the host sends unasked. */
export interface Owner {
  event(listener: number, flags: number, name: string, bytes: Uint8Array, start: number, end: number): void;
  ask(ask: Ask): void;
  unask(token: number | bigint): void;
  ended(connection: Connection, reason: string): void;
}

/** What the host says of itself. */
export interface HostInfo {
  readonly version: string;
  readonly pid: number;
  readonly features: readonly string[];
  readonly maxFrame: number;
  readonly windowBytes: number;
  readonly windowParts: number;
}

const ignored = new Ignored();
const none = new Uint8Array(0);
const features = ["credit", "parts", "lossless", "provide"];
const mostFeatures = 64;
const mostOpen = 65536; // requests, also those that were given up and have no reply yet
const mostGathered = 1 << 16; // bytes of output that leave at once
const mostTurns = 16;
const mostOutput = 64 << 20; // bytes that wait for the host to read

export class Connection {
  host: HostInfo = {
    version: "",
    pid: 0,
    features: [],
    maxFrame: defaultMaxFrame,
    windowBytes: defaultWindow.bytes,
    windowParts: defaultWindow.parts,
  };
  /** What calls have instead of wire names. */
  readonly methods = new Methods(this);
  private readonly open = new Requests();
  private readonly input = new FrameReader();
  private readonly splitter: Splitter;
  private readonly out = new Writer(1 << 14);
  private stream: ByteStream | undefined;
  private flushing = false;
  private gathered = 0; // bytes of output at the last look
  private turns = 0;
  private blocked = false;
  private over: string | undefined;
  private greeted: { done(): void; fail(error: Error): void } | undefined;

  private constructor(
    private readonly transport: Transport,
    private readonly owner: Owner,
    private readonly maxFrame: number,
  ) {
    this.splitter = new Splitter(
      () => (this.greeted ? largestHello : this.maxFrame),
      (bytes, start, end) => this.frame(bytes, start, end),
    );
  }

  /** Opens a connection, and waits for the hello of the host. */
  static async open(transport: Transport, owner: Owner, options: { maxFrame: number; timeout: number }): Promise<Connection> {
    const self = new Connection(transport, owner, Math.max(options.maxFrame, leastMaxFrame));
    const hello = new Promise<void>((done, fail) => {
      self.greeted = { done, fail };
    });
    hello.catch(() => {}); // it may fail before somebody waits for it
    const timer = setTimeout(() => self.end(`no hello within ${options.timeout} ms`), options.timeout);
    try {
      self.stream = await transport.open({
        data: (bytes, length) => self.data(bytes, length),
        drained: () => {
          self.blocked = false;
          self.flush();
        },
        closed: (reason) => self.end(reason),
      });
      if (self.over !== undefined) self.stream.close();
      else self.greet();
      await hello;
    } finally {
      clearTimeout(timer);
    }
    return self;
  }

  private greet(): void {
    const start = this.begin(8, Frame.hello);
    this.out.text("backplane");
    this.out.int(protocolVersion);
    this.out.text(version);
    this.out.int(this.transport.pid);
    this.out.int(this.maxFrame);
    this.out.int(protocolVersion);
    this.out.array(features.length);
    for (const feature of features) this.out.text(feature);
    this.finish(start);
  }

  has(feature: string): boolean {
    return this.host.features.includes(feature);
  }

  get ended(): boolean {
    return this.over !== undefined;
  }
  get openRequests(): number {
    return this.open.size;
  }

  /**
   * Sends a frame that is answered.
   * @param items how many items the frame has, with its type and id
   * @param write writes the items after the id
   * @returns the id
   */
  request(request: Request, type: number, items: number, write: (out: Writer) => void): number {
    this.check();
    const id = this.open.nextId();
    const start = this.begin(items, type);
    this.out.int(id);
    this.body(start, write);
    this.finish(start);
    this.open.add(id, request);
    return id;
  }

  /** A call. The payload is copied; `window` is undefined if it takes no parts of the reply. */
  call(
    request: Request,
    name: WireName,
    payload: Uint8Array | Writer,
    timeout: number,
    flags: number,
    window?: { bytes: number; parts: number },
  ): number {
    this.check();
    const method = this.methods.of(name);
    const id = this.open.nextId();
    const start = this.out.length;
    try {
      writeCall(this.out, id, method, name.item, payload, timeout, flags, window);
    } catch (thrown) {
      this.out.length = start;
      throw thrown;
    }
    this.finish(start);
    this.open.add(id, request);
    return id;
  }

  /** Sends a frame without an answer. After the end of the connection it does nothing. */
  send(type: number, items: number, write: (out: Writer) => void): void {
    if (this.over !== undefined) return;
    const start = this.begin(items, type);
    this.body(start, write);
    this.finish(start);
  }

  /** Writes the rest of a frame. If that fails, nothing of the frame is sent. `write` must not send another frame. */
  private body(start: number, write: (out: Writer) => void): void {
    try {
      write(this.out);
    } catch (thrown) {
      this.out.length = start;
      throw thrown;
    }
  }

  /** Runs a function before the process waits for input. */
  later(task: () => void): void {
    this.transport.later(task);
  }

  cancel(id: number): void {
    this.send(Frame.cancel, 2, (out) => out.int(id));
  }

  /** Nobody waits for this request any more. */
  abandon(id: number): void {
    this.open.replace(id, ignored);
  }

  private check(): void {
    if (this.over !== undefined) throw failure(Status.unreachable, this.over);
    if (this.open.size >= mostOpen) {
      throw failure(Status.overloaded, `open requests of this connection: ${mostOpen}; wait for answers`);
    }
    if (this.out.length > mostOutput) {
      throw failure(Status.overloaded, `${mostOutput} bytes wait for the host to read; wait for answers`);
    }
  }

  private begin(items: number, type: number): number {
    const start = this.out.length;
    this.out.reserve(16);
    this.out.length += 4;
    this.out.array(items);
    this.out.int(type);
    return start;
  }

  private finish(start: number): void {
    const { out } = this;
    const size = out.length - start - 4;
    if (size > this.host.maxFrame) {
      out.length = start;
      throw failure(Status.not_supported, `the frame has ${size} bytes; the host takes ${this.host.maxFrame}; send less, or in parts`);
    }
    out.bytes[start] = size >>> 24;
    out.bytes[start + 1] = size >>> 16;
    out.bytes[start + 2] = size >>> 8;
    out.bytes[start + 3] = size;
    if (this.flushing || this.blocked) return;
    this.flushing = true;
    this.gathered = out.length;
    this.turns = 0;
    this.transport.defer(this.flushNow);
  }

  /** Frames leave together as long as each turn brings further ones. */
  private readonly flushNow = (): void => {
    const { length } = this.out;
    if (length !== this.gathered && length < mostGathered && ++this.turns < mostTurns) {
      this.gathered = length;
      return this.transport.defer(this.flushNow);
    }
    this.flushing = false;
    this.flush();
  };

  private flush(): void {
    const { out } = this;
    if (this.blocked || out.length === 0 || !this.stream || this.over !== undefined) return;
    if (this.stream.write(out.bytes, out.length)) {
      out.reset();
    } else {
      this.blocked = true;
      out.take();
    }
  }

  private data(bytes: Uint8Array, length: number): void {
    if (this.over !== undefined) return;
    const size = this.splitter.feed(bytes, length);
    if (size > 0) this.refuse(`a frame of ${size} bytes; at most ${this.greeted ? largestHello : this.maxFrame} are expected`);
  }

  /** Ends the connection because of what the host has sent. */
  private refuse(message: string): void {
    this.send(Frame.error, 3, (out) => {
      out.int(Status.protocol);
      out.text(message);
    });
    this.flush();
    this.end(`the host has sent what the protocol does not allow: ${message}`);
  }

  /** Ends the connection. Each open request fails with `unreachable`, or with the status that is given. */
  end(reason: string, status: number = Status.unreachable): void {
    if (this.over !== undefined) return;
    this.flush();
    this.over = reason;
    this.stream?.close();
    this.greeted?.fail(new Error(reason));
    this.greeted = undefined;
    for (const request of this.open.takeAll()) request.fail(failure(status, `${this.transport.address}: ${reason}`));
    this.owner.ended(this, reason);
  }

  private frame(bytes: Uint8Array, start: number, end: number): boolean {
    try {
      if (this.greeted === undefined && readReply(bytes, start, end) && this.quickReply(bytes)) return this.over === undefined;
      const type = this.input.open(bytes, start, end);
      if (type === Frame.error) this.hostError();
      else if (this.greeted) this.hello(type);
      else this.dispatch(type);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      this.refuse(thrown.message);
    }
    return this.over === undefined;
  }

  private hostError(): void {
    const status = this.input.int32("status");
    const message = this.input.string("message");
    this.end(`the host ended the connection: ${failure(status, message).name}: ${message}`);
  }

  private hello(type: number): void {
    const { input } = this;
    if (type !== Frame.hello || input.string("name") !== "backplane") throw new Fault("the first frame is no hello of a host");
    const newest = input.small("protocol");
    const host = {
      version: input.string("version"),
      pid: input.amount("pid"),
      maxFrame: Math.max(input.amount("max-frame"), leastMaxFrame),
      features: [] as string[],
      windowBytes: 0,
      windowParts: 0,
    };
    const oldest = (input.items > 0 ? input.small("oldest-protocol") : 0) || newest;
    if (input.items > 0) host.features = input.strings("features", mostFeatures);
    if (input.items > 0) host.windowBytes = input.amount("window-bytes");
    if (input.items > 0) host.windowParts = input.amount("window-parts");
    input.close();
    host.windowBytes ||= defaultWindow.bytes;
    host.windowParts ||= defaultWindow.parts;
    if (oldest > protocolVersion || newest < protocolVersion) {
      throw new Fault(`the host speaks the protocol ${oldest} to ${newest}; this client speaks ${protocolVersion}`);
    }
    this.host = host;
    this.greeted?.done();
    this.greeted = undefined;
  }

  private dispatch(type: number): void {
    switch (type) {
      case Frame.reply:
        return this.reply();
      case Frame.event:
        return this.event();
      case Frame.credit: {
        const id = this.input.amount("id");
        const bytes = this.input.amount("bytes");
        this.input.close();
        this.open.get(id)?.credit(bytes);
        return;
      }
      case Frame.ask: {
        const { input } = this;
        const [token, name, payload] = [input.uint("token"), input.string("name"), input.copied("payload")];
        const timeout = input.amount("timeout-ms");
        input.small("flags", 0xffffffff);
        input.close();
        return this.owner.ask({ token, name, payload, timeout });
      }
      case Frame.unask: {
        const token = this.input.uint("token");
        this.input.close();
        return this.owner.unask(token);
      }
      default:
        throw new Fault(`a frame of the unknown type ${type}`);
    }
  }

  /** A reply without a message. Returns false if its status is one that has a message. */
  private quickReply(bytes: Uint8Array): boolean {
    const { id, status, start, stop } = found;
    if (status === Status.ok) this.open.take(id)?.end(status, bytes, start, stop, "", none);
    else if (status === Status.partial) this.open.get(id)?.part(status, bytes, start, stop);
    else return false;
    return true;
  }

  private reply(): void {
    const { input } = this;
    const id = input.amount("id");
    const status = input.int32("status");
    input.span("payload");
    const { start, stop, bytes } = input;
    const message = input.string("message");
    input.span("detail");
    const detail = input.stop === input.start ? none : bytes.slice(input.start, input.stop);
    input.close();
    // A reply to none is ignored.
    if (status === Status.stale || status === Status.partial) this.open.get(id)?.part(status, bytes, start, stop);
    else this.open.take(id)?.end(status, bytes, start, stop, message, detail);
  }

  private event(): void {
    const { input } = this;
    const listener = input.amount("listener");
    const flags = input.small("flags", 0xffffffff);
    const name = input.string("name");
    input.span("payload");
    const { start, stop, bytes } = input;
    input.close();
    this.owner.event(listener, flags & (Flag.eventEnvelope | Flag.eventGap | Flag.eventLossless), name, bytes, start, stop);
  }
}
