// SPDX-License-Identifier: Apache-2.0
//
// The host functions of a context, on whichever connection it has.
import type { Ask, Connection } from "./connection.js";
import { type CallError, failure } from "./errors.js";
import { Frame } from "./frame.js";
import { Asks, type RawFunction } from "./functions.js";
import type { Link } from "./link.js";
import { Answer, type RequestEnd } from "./requests.js";
import { Status } from "./statuses.js";

/** What `provide` gives back. */
export interface Provided {
  readonly name: string;
  /** The host asks no more. Questions that are open already may still be answered. */
  withdraw(): Promise<void>;
}

export class Providers {
  private readonly functions = new Map<string, RawFunction>();
  private asks: Asks;

  constructor(private readonly link: Link) {
    this.asks = this.newAsks();
  }

  private newAsks(): Asks {
    return new Asks(() => this.link.current);
  }

  async provide(name: string, answer: RawFunction): Promise<Provided> {
    const before = this.functions.get(name);
    const { connection } = this.link;
    this.functions.set(name, answer);
    try {
      await this.send(connection, name);
    } catch (thrown) {
      if (this.functions.get(name) === answer) {
        if (before) this.functions.set(name, before);
        else this.functions.delete(name);
      }
      throw thrown;
    }
    return {
      name,
      withdraw: async () => {
        if (this.functions.get(name) !== answer) return;
        this.functions.delete(name);
        const { current } = this.link;
        if (current) await ask(current, Frame.withdraw, 3, (out) => out.text(name));
      },
    };
  }

  private send(connection: Connection, name: string): Promise<void> {
    if (!connection.has("provide")) {
      return Promise.reject(failure(Status.not_supported, "this host takes no host functions from connections"));
    }
    return ask(connection, Frame.provide, 4, (out) => {
      out.int(0); // a host function
      out.text(name);
    });
  }

  ask(question: Ask): void {
    this.asks.answer(question, this.functions.get(question.name));
  }

  unask(token: number | bigint): void {
    this.asks.end(token);
  }

  down(): void {
    this.asks.endAll();
    this.asks = this.newAsks();
  }

  restore(): void {
    for (const name of this.functions.keys()) {
      this.send(this.link.connection, name).catch((error: CallError) => {
        if (error.status === Status.unreachable) return;
        this.link.tell("refused", `the host function ${name} is refused: ${error.message}`);
      });
    }
  }
}

function ask(
  connection: Connection,
  type: number,
  items: number,
  write: (out: import("./cbor/writer.js").Writer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end: RequestEnd = (status, _bytes, _start, _end, message, detail) => {
      if (status === Status.ok) resolve();
      else reject(failure(status, message, { detailBytes: detail }));
    };
    connection.request(new Answer(end, reject), type, items, write);
  });
}
