// SPDX-License-Identifier: Apache-2.0
//
// Whether the modules of the host still have the interfaces that this program was built for. The host compares; what it
// says decides whether calls go on.
import type { Value } from "./cbor/value.js";
import type { Connection } from "./connection.js";
import { CallError, failure, InterfaceChangedError } from "./errors.js";
import { Frame } from "./frame.js";
import { Status } from "./statuses.js";

/** What generated code says of the interface that it was made of. */
export interface Interface {
  readonly module: string;
  readonly version: string;
  readonly hash: string;
  readonly cddl: string;
}

/** How the interface of a module compares with the one of this program. */
export interface InterfaceState {
  readonly module: string;
  /**
   * - `equal`
   * - `compatible`: it has changed, and callers go on
   * - `breaks callers`: calls of this module fail with `interface_changed`
   * - `not loaded`: there is no such module now
   * - `unchecked`: the host does not compare, or not for this connection; `message` says why
   */
  readonly verdict: "equal" | "compatible" | "breaks callers" | "not loaded" | "unchecked";
  /** For people. */
  readonly message: string;
  /** The compare-report of the host, if there is one; docs/protocol.md describes it. */
  readonly report: Value;
}

/** How an expectation asks the host. */
export interface Asker {
  connection(): Connection;
  /** Sends a frame, and gives back the payload as a value, with the message. */
  ask(type: number, items: number, write: (out: import("./cbor/writer.js").Writer) => void): Promise<{ value: Value; message: string }>;
  changed(state: InterfaceState): void;
}

export class Expectation {
  state: InterfaceState | undefined;
  private error: InterfaceChangedError | undefined;
  private running: Promise<void> | undefined;
  private again = false;

  constructor(
    readonly expected: Interface,
    private readonly asker: Asker,
  ) {}

  /** What a call has to wait for; undefined: nothing. The promise rejects if the interface breaks this program. */
  gate(): Promise<void> | undefined {
    if (this.running === undefined && this.state !== undefined && this.state.verdict !== "not loaded") {
      return this.error ? Promise.reject(this.error) : undefined;
    }
    return this.check().then(() => {
      if (this.error) throw this.error;
    });
  }

  /** Asks the host, if nobody does already. It never rejects. */
  check(): Promise<void> {
    this.running ??= this.run().finally(() => (this.running = undefined));
    return this.running;
  }

  /** Asks the host again, after what it may have answered before. */
  recheck(): void {
    if (this.running) this.again = true;
    else void this.check();
  }

  private async run(): Promise<void> {
    do {
      this.again = false;
      await this.once();
    } while (this.again);
  }

  private async once(): Promise<void> {
    const before = this.state;
    try {
      this.set(await this.compare());
    } catch (thrown) {
      if (!(thrown instanceof CallError)) throw thrown;
      if (thrown.status === Status.unreachable || thrown.status === Status.closed || thrown.status === Status.canceled) {
        this.state = undefined; // the next connection is asked
        this.error = undefined;
        return;
      }
      this.refused(thrown);
    }
    const { state } = this;
    if (state && state.verdict !== "equal" && !(before?.verdict === state.verdict && before.message === state.message)) {
      this.asker.changed(state);
    }
  }

  private set(made: { verdict: InterfaceState["verdict"]; message: string; report?: Value }): void {
    this.error = undefined;
    this.state = { module: this.expected.module, report: null, ...made };
  }

  private refused(error: CallError): void {
    const { message } = error;
    if (error.status === Status.not_found || error.status === Status.not_loaded) return this.set({ verdict: "not loaded", message });
    if (error.status !== Status.interface_changed) return this.set({ verdict: "unchecked", message });
    this.set({ verdict: "breaks callers", message, report: error.detail as Value });
    this.error = error;
  }

  private async compare(): Promise<{ verdict: InterfaceState["verdict"]; message: string; report?: Value }> {
    const { module, hash, cddl } = this.expected;
    if (!this.asker.connection().has("expect")) return this.compareHere();
    const ask = (text?: string): Promise<{ value: Value; message: string }> =>
      this.asker.ask(Frame.expect, text === undefined ? 4 : 5, (out) => {
        out.text(module);
        out.text(hash);
        if (text !== undefined) out.text(text);
      });
    let answer = await ask();
    if (isObject(answer.value) && answer.value["cddl"] === "wanted") answer = await ask(cddl);
    if (answer.value === null || answer.value === undefined) return { verdict: "equal", message: "" };
    return { verdict: "compatible", message: answer.message || "the interface has changed in a compatible way", report: answer.value };
  }

  /** A host without the feature does not compare: only the hashes can be. */
  private async compareHere(): Promise<{ verdict: InterfaceState["verdict"]; message: string }> {
    const { module, hash, version } = this.expected;
    const { value } = await this.asker.ask(Frame.list, 2, () => {});
    const modules = isObject(value) && Array.isArray(value["modules"]) ? value["modules"] : [];
    const found = modules.find((each) => isObject(each) && each["name"] === module);
    if (!isObject(found)) throw failure(Status.not_found, `no module ${module} is loaded`);
    if (found["interface_hash"] === hash) return { verdict: "equal", message: "" };
    throw failure(
      Status.interface_changed,
      `${module}: expected the interface ${hash} of version ${version}, found ${String(found["interface_hash"])} of version ` +
        `${String(found["version"])}; this host cannot tell whether callers break: make the bindings again`,
    );
  }
}

function isObject(value: Value): value is { [member: string]: Value } {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
