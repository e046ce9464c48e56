// SPDX-License-Identifier: Apache-2.0
//
// The driver of this client for tests/protocol/conformance.py, whose README says what it must do.
import { createInterface } from "node:readline";
import { CallError, Context, encode, Status } from "@backplane/client";

const hex = (bytes) => Buffer.from(bytes ?? []).toString("hex");
const bytes = (text) => new Uint8Array(Buffer.from(text ?? "", "hex"));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const statusOf = (error) => (error instanceof CallError ? error.status : Status.exception);

const calls = new Map();
const listeners = new Map();
const provided = new Map();
const asks = new Map();
let context;
let nextAsk = 1;

const actions = {
  async connect() {
    try {
      context = await Context.connect({ reconnect: false });
    } catch {
      return say({ connected: false });
    }
    say({ connected: true });
  },
  async call({ tag, name, payload, timeout_ms }) {
    const controller = new AbortController();
    calls.set(tag, controller);
    const stream = context.streamRaw(name, bytes(payload), { timeout: timeout_ms ?? 0, signal: controller.signal });
    try {
      for await (const part of stream) say({ tag, partial: hex(part) });
      say({ tag, status: 0, payload: hex(await stream.reply()), message: "", detail: "" });
    } catch (error) {
      say({ tag, status: statusOf(error), payload: "", message: error.message, detail: hex(error.detailBytes) });
    }
  },
  cancel: ({ tag }) => calls.get(tag).abort(),
  async listen({ tag, pattern }) {
    const heard = ({ name, typed, bytes: payload }) => {
      const whole = typed ? encode({ eventType: name, payload: null }).slice(0, -1) : new Uint8Array(0);
      say({ tag, event: name, flags: typed ? 1 : 0, payload: hex(whole) + hex(payload) });
    };
    const onGap = ({ lost, sinceMs }) => {
      const gap = { eventType: "backplane.gap", payload: { lost, since_ms: sinceMs } };
      say({ tag, event: "backplane.gap", flags: 3, payload: hex(encode(gap)) });
    };
    listeners.set(tag, await context.on(pattern, heard, { onGap }));
    say({ tag, listening: true });
  },
  unlisten: ({ tag }) => listeners.get(tag).close(),
  async provide({ tag, name }) {
    const answer = (payload, asked) =>
      new Promise((resolve, reject) => {
        const ask = nextAsk++;
        asks.set(ask, { resolve, reject });
        asked.signal.addEventListener("abort", () => say({ unask: ask }));
        say({ tag, ask, name: asked.name, payload: hex(payload), timeout_ms: asked.timeout });
      });
    try {
      provided.set(tag, await context.provideRaw(name, answer));
      say({ tag, status: 0 });
    } catch (error) {
      say({ tag, status: statusOf(error) });
    }
  },
  answer({ ask, status, payload, message, detail }) {
    const { resolve, reject } = asks.get(ask);
    if (status === 0) resolve(bytes(payload));
    else reject(new CallError(status, message ?? "", { detailBytes: bytes(detail) }));
  },
  withdraw: ({ tag }) => provided.get(tag).withdraw(),
  async expect({ tag, module, hash, cddl }) {
    const expectation = context.expect({ module, version: "", hash: `${hash}`, cddl });
    await expectation.check(); // the client keeps a verdict; each line is to ask the host
    try {
      await expectation.gate();
      say({ tag, status: 0, message: expectation.state.message });
    } catch (error) {
      say({ tag, status: statusOf(error), message: error.message });
    }
  },
  close: () => context.close({ drain: 0 }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...values } = JSON.parse(line);
  Promise.resolve(actions[action](values)).catch((error) => console.error(error));
}
await context?.close({ drain: 0 });
