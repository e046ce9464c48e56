// SPDX-License-Identifier: Apache-2.0
//
// Keeps a connection to a host: if it breaks, another one is opened, after a wait that grows.
import { Connection, type Owner } from "./connection.js";
import { failure } from "./errors.js";
import { defaultMaxFrame } from "./frame.js";
import { Status } from "./statuses.js";
import type { Transport } from "./transport.js";

export interface Reconnect {
  /** The longest wait before the first attempt, in milliseconds: 100; 1 to `max`. */
  initial?: number;
  /** Each further wait is so much longer: 2; 1 to 10. */
  factor?: number;
  /** The longest wait, in milliseconds: 10000; `initial` to an hour. */
  max?: number;
  /** A wait is shorter by a random part of up to this: 0.5; 0 to 1. */
  jitter?: number;
  /** How many attempts; 0: without end. */
  attempts?: number;
}

/** What has become of the connection, or of something that was to come back with it. */
export interface ConnectionState {
  /**
   * - `lost`: the connection broke, and the client tries again, or it is configured not to
   * - `failed`: an attempt has failed
   * - `connected`: the connection is back
   * - `gave up`: the client does not try again
   * - `refused`: the host refuses a listener or a host function that it had accepted before
   */
  readonly kind: "lost" | "failed" | "connected" | "gave up" | "refused";
  /** For people. */
  readonly message: string;
  /** How many attempts have failed since the connection broke. */
  readonly attempts: number;
}

export interface LinkOptions {
  /** How to connect again; false: not at all. */
  reconnect?: Reconnect | false | undefined;
  /** How many bytes a frame of the host may have: 64 MiB, at least 4096. */
  maxFrame?: number | undefined;
  /** How long the host may take for its hello, in milliseconds: 10000. */
  helloTimeout?: number | undefined;
  /** Is called when the connection is lost, after each attempt that failed, when it is back, and when the client gives up. */
  onState?: ((state: ConnectionState) => void) | undefined;
}

const hour = 3600000;

function bounded(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw failure(Status.invalid_argument, `reconnect.${name}: expected ${least} to ${most}, got ${value}`);
}

export class Link {
  current: Connection | undefined;
  private readonly policy: Required<Reconnect> | undefined;
  private why = "not connected yet";
  private failed = 0;
  private closed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly transport: Transport,
    private readonly options: LinkOptions,
    private readonly owner: Omit<Owner, "ended">,
    private readonly changed: { up(connection: Connection): void; down(): void; gone(): void },
    private readonly report: (error: unknown, what: string) => void,
  ) {
    const { reconnect = {} } = options;
    if (reconnect === false) return;
    const max = bounded("max", reconnect.max ?? 10000, 1, hour);
    this.policy = {
      max,
      initial: bounded("initial", reconnect.initial ?? Math.min(100, max), 1, max),
      factor: bounded("factor", reconnect.factor ?? 2, 1, 10),
      jitter: bounded("jitter", reconnect.jitter ?? 0.5, 0, 1),
      attempts: bounded("attempts", reconnect.attempts ?? 0, 0, Number.MAX_SAFE_INTEGER),
    };
  }

  /** The connection. Without one it throws, and says why. */
  get connection(): Connection {
    if (this.current) return this.current;
    if (this.closed) throw failure(Status.closed, "the context is closed");
    const next = this.timer === undefined && !this.connecting ? "" : "; the client tries again";
    throw failure(Status.unreachable, `${this.transport.address}: ${this.why}${next}`);
  }

  private connecting = false;

  async open(): Promise<void> {
    this.connecting = true;
    try {
      const connection = await Connection.open(
        this.transport,
        { ...this.handlers(), ended: (which, reason) => this.ended(which, reason) },
        { maxFrame: this.options.maxFrame ?? defaultMaxFrame, timeout: this.options.helloTimeout ?? 10000 },
      );
      if (this.closed) return connection.end("the context is closed", Status.closed);
      if (connection.ended) throw new Error("the connection ended at once");
      this.current = connection;
    } catch (thrown) {
      this.why = thrown instanceof Error ? thrown.message : String(thrown);
      throw failure(Status.unreachable, `${this.transport.address}: ${this.why}`, { cause: thrown });
    } finally {
      this.connecting = false;
    }
    this.changed.up(this.current);
  }

  private handlers(): Omit<Owner, "ended"> {
    const { owner } = this;
    return {
      event: (listener, flags, name, bytes, start, end) => owner.event(listener, flags, name, bytes, start, end),
      ask: (ask) => owner.ask(ask),
      unask: (token) => owner.unask(token),
    };
  }

  private ended(connection: Connection, reason: string): void {
    if (connection !== this.current) return;
    this.current = undefined;
    this.why = reason;
    this.failed = 0;
    this.changed.down();
    if (this.closed) return;
    this.tell("lost", `the connection to ${this.transport.address} was lost: ${reason}`);
    this.again();
  }

  private again(): void {
    const { policy } = this;
    if (this.closed) return;
    if (!policy || (policy.attempts > 0 && this.failed >= policy.attempts)) {
      if (policy) this.tell("gave up", `gave up after ${this.failed} attempts: ${this.why}`);
      return this.changed.gone();
    }
    const longest = Math.min(policy.initial * policy.factor ** this.failed, policy.max);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.open().then(
        () => {
          if (!this.closed) this.tell("connected", `connected to ${this.transport.address} again`);
        },
        (error: Error) => {
          ++this.failed;
          this.tell("failed", error.message);
          this.again();
        },
      );
    }, longest * (1 - policy.jitter * Math.random()));
  }

  tell(kind: ConnectionState["kind"], message: string): void {
    try {
      this.options.onState?.({ kind, message, attempts: this.failed });
    } catch (thrown) {
      this.report(thrown, "onState has thrown");
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.current?.end("the context was closed", Status.canceled);
  }

  get isClosed(): boolean {
    return this.closed;
  }
}
