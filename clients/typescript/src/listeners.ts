// SPDX-License-Identifier: Apache-2.0
//
// The listeners of a context, on whichever connection it has.
import type { Connection } from "./connection.js";
import { type CallError, failure } from "./errors.js";
import { CallbackHearing, EventStream, type Hearing, type Listener, type ListenOptions, type ReadEvent, Registration } from "./events.js";
import { Flag, Frame } from "./frame.js";
import type { Link } from "./link.js";
import { Answer, type RequestEnd } from "./requests.js";
import { Status } from "./statuses.js";

export class Listeners {
  private readonly all = new Map<number, Registration<unknown>>();
  private nextId = 1;

  constructor(
    private readonly link: Link,
    private readonly report: (error: unknown, what: string) => void,
  ) {}

  async on<T>(pattern: string, read: ReadEvent<T>, callback: (event: T) => unknown, options: ListenOptions = {}): Promise<Listener> {
    const hearing = new CallbackHearing<T>(callback, options, (error) => this.report(error, `a listener of ${pattern} has failed`));
    const registration = this.make(pattern, read, hearing, options);
    await this.listen(registration);
    return {
      pattern,
      get lost() {
        return hearing.lost;
      },
      get unread() {
        return registration.unread;
      },
      close: () => this.remove(registration),
    };
  }

  events<T>(pattern: string, read: ReadEvent<T>, options: ListenOptions = {}): EventStream<T> {
    let registration: Registration<T> | undefined;
    const stream = new EventStream<T>(options, async () => {
      if (registration) await this.remove(registration);
    });
    try {
      registration = this.make(pattern, read, stream, options);
      const made = registration;
      this.listen(made).catch((error: Error) => made.end(error));
    } catch (thrown) {
      stream.ended(thrown as Error);
    }
    return stream;
  }

  private make<T>(pattern: string, read: ReadEvent<T>, hearing: Hearing<T>, options: ListenOptions): Registration<T> {
    if (this.link.isClosed) throw failure(Status.closed, "the context is closed");
    const heard = (bytes: number): void => this.heard(id, bytes);
    const id = this.nextId++;
    return new Registration<T>(id, pattern, options.lossless ?? false, read, hearing, this.report, heard);
  }

  private heard(id: number, bytes: number): void {
    this.link.current?.send(Frame.heard, 3, (out) => {
      out.int(id);
      out.int(bytes);
    });
  }

  private listen(registration: Registration<any>): Promise<void> {
    return new Promise((resolve, reject) => {
      const { connection } = this.link;
      if (registration.lossless && !connection.has("lossless")) {
        throw failure(Status.not_supported, "this host has no lossless listeners");
      }
      this.send(connection, registration, (error) => {
        if (!error) return resolve();
        this.all.delete(registration.id);
        registration.ended = true;
        reject(error);
      });
      this.all.set(registration.id, registration); // only now: what cannot be sent throws
    });
  }

  private send(connection: Connection, registration: Registration<any>, done: (error: CallError | undefined) => void): void {
    const ended: RequestEnd = (status, _bytes, _start, _end, message, detail) => {
      if (status !== Status.ok) return done(failure(status, message, { detailBytes: detail }));
      registration.registered = true;
      done(undefined);
    };
    const request = new Answer(ended, done);
    connection.request(request, Frame.listen, registration.lossless ? 5 : 4, (out) => {
      out.int(registration.id);
      out.text(registration.pattern);
      if (registration.lossless) out.int(Flag.listenLossless);
    });
  }

  private remove(registration: Registration<any>): Promise<void> {
    if (registration.ended) return Promise.resolve();
    registration.end(undefined);
    const connection = this.link.current;
    if (!connection) {
      this.all.delete(registration.id);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = (): void => {
        this.all.delete(registration.id);
        resolve();
      };
      try {
        connection.request(new Answer(done, done), Frame.unlisten, 3, (out) => out.int(registration.id));
      } catch {
        done(); // the connection has ended, and its listeners with it
      }
    });
  }

  /** An event of a listener that is gone is nothing to anybody. */
  event(id: number, flags: number, name: string, bytes: Uint8Array, start: number, end: number): void {
    this.all.get(id)?.event(flags, name, bytes, start, end);
  }

  down(): void {
    for (const each of this.all.values()) {
      each.gapDue ||= each.registered;
      each.registered = false;
    }
  }

  /** Registers the listeners on a new connection. Each is told that it may have missed events, once the host knows it. */
  restore(): void {
    for (const each of this.all.values()) {
      if (each.registered || each.ended || !each.gapDue) continue;
      this.send(this.link.connection, each, (error) => {
        if (!error) each.tellGap();
        else if (error.status !== Status.unreachable) {
          this.link.tell("refused", `the listener of ${each.pattern} is refused: ${error.message}`);
        }
      });
    }
  }

  endAll(error: Error | undefined): void {
    for (const each of [...this.all.values()]) {
      if (error) each.end(error);
      else void this.remove(each);
    }
  }
}
