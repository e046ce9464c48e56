// SPDX-License-Identifier: Apache-2.0
//
// Generated clients against a real host.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallError, CanceledError, Context, DeadlineError, InterfaceChangedError, Status } from "@backplane/client";
import { Echo } from "./generated/echo.js";
import { Defaults, Forms, Scalars } from "./generated/forms.js";
import { Generator } from "./generated/generator.js";
import { BadPayloadError, Kv } from "./generated/kv.js";
import { NoHostFunctionError, Session } from "./generated/session.js";
import { Streams } from "./generated/streams.js";
import { InvalidArgumentError, Timer } from "./generated/timer.js";
import { host, until } from "./support.mjs";

async function connected(t, modules, options = {}) {
  const running = await host(t, modules);
  const context = await Context.connect({ socketPath: running.socket, ...options });
  t.after(() => context.close({ drain: 0 }));
  return { running, context };
}

test("every wire name of the bundled modules answers", async (t) => {
  const { context } = await connected(t, ["echo", "generator", "kv", "session", "timer"]);
  const echo = new Echo(context);
  assert.deepEqual(await echo.shout({ text: "grüße 🚀" }), { shouted: "GRüßE 🚀", prefix: "" });
  assert.equal((await echo.version()).version, "1.0.0");
  assert.deepEqual(await echo.raw(Uint8Array.of(0xff, 0, 1)), Uint8Array.of(0xff, 0, 1));
  assert.deepEqual(await echo.raw(new Uint8Array(0)), new Uint8Array(0));

  const timer = new Timer(context);
  assert.deepEqual(await timer.echo({ message: "", delay_ms: 0 }), { echoed: "", timer_name: "timer" });
  const summary = await timer.complex({ messages: [{ message: "a", delay_ms: 5 }], tags: ["x", "y"] });
  assert.deepEqual(summary, { summary: "received 1 messages over 5 ms, tags=[x,y], note=none, retries=0", item_count: 1n, has_note: false });
  const plan = await timer.schedule({
    job: { name: "j", payload: { deep: [1, null] }, priority: "high" },
    retry: { max_attempts: 1, backoff_ms: 0, retry_on: [] },
    schedule: { start_at_ms: 2n ** 60n, interval_ms: 0n, jitter: 1n },
  });
  assert.equal(plan.first_run_at_ms, 2n ** 60n + 1n);
  assert.equal(plan.priority, "high");

  const kv = new Kv(context);
  const value = { list: [1, -1, 2n ** 63n, 1.5, NaN, null, true, "ü", Uint8Array.of(1)], nested: { "": {} } };
  assert.equal(await kv.put({ key: "k", value }), undefined);
  assert.deepEqual(await kv.get({ key: "k" }), { found: true, value });
  assert.deepEqual(await kv.get({ key: "none" }), { found: false, value: null });
  assert.deepEqual(await kv.count({}), { count: 1n });
  assert.deepEqual(await kv.scan({ limit: 5n }), { entries: [{ key: "k", value }] });
  assert.deepEqual(await kv.delete({ key: "k" }), { deleted: true });

  const generator = new Generator(context);
  assert.deepEqual(await generator.zip({ left: [1, 2], right: ["a"] }), { items: [1, "a", 2] });
  assert.deepEqual(await generator.chain({ stages: 3, values: [1n, -5n] }), { values: [4n, -2n] });
});

test("a value of a mebibyte survives", async (t) => {
  const { context } = await connected(t, ["echo"]);
  const big = new Uint8Array(1 << 20).map((_, at) => at * 7);
  assert.deepEqual(await new Echo(context).raw(big), big);
  const text = "ä".repeat(300000);
  assert.equal((await new Echo(context).shout({ text })).shouted, text);
});

test("partial replies come in order, with their answer", async (t) => {
  const { context } = await connected(t, ["generator", "timer"]);
  const primes = new Generator(context).primes({ count: 5000 });
  const seen = [];
  for await (const { prime } of primes) seen.push(prime);
  assert.deepEqual(seen.slice(0, 4), [2n, 3n, 5n, 7n]);
  assert.deepEqual(await primes.reply(), { count: 5000, last: seen.at(-1) });
  assert.equal(seen.length, 5000);
  // Without a loop the parts are dropped, also more than a window of them.
  assert.equal((await new Generator(context).primes({ count: 5000 }).reply()).count, 5000);
});

test("a slow loop holds up its handler, and nobody else", async (t) => {
  const { context } = await connected(t, ["streams", "echo"]);
  const stream = new Streams(context).send({ parts: 100n, size: 1000n, wait_ms: 0n }, { windowParts: 4, windowBytes: 8192 });
  const loop = stream[Symbol.asyncIterator]();
  assert.equal((await loop.next()).value.number, 0n);
  await new Echo(context).version();
  const status = await context.modules.status();
  const { sent } = status.contexts[0].parts;
  assert.ok(sent <= 6, `sent ${sent} parts to a window of 4`);
  let count = 1;
  while (!(await loop.next()).done) ++count;
  assert.equal(count, 100);
});

test("leaving a loop cancels the call", async (t) => {
  const { context } = await connected(t, ["timer"]);
  const ticks = new Timer(context).ticks({ count: 10000, interval_ms: 1 });
  for await (const { tick } of ticks) if (tick === 3) break;
  await assert.rejects(ticks.reply(), CanceledError);
  await until(async () => (await context.modules.status()).contexts[0].tokens.open === 0, "the end of the handler");
});

test("requests in parts come from arrays and from generators, within the window", async (t) => {
  const { context } = await connected(t, ["streams"]);
  const streams = new Streams(context);
  const data = "x".repeat(1000);
  async function* pieces(count) {
    for (let number = 1; number <= count; ++number) yield { number: BigInt(number), data };
  }
  const first = { parts: 0n, size: 5n, wait_ms: 0n };
  assert.deepEqual(await streams.sum(first, pieces(3000)), { parts: 3001n, bytes: 3000005n });
  assert.deepEqual(await streams.sum(first, []), { parts: 1n, bytes: 5n });
  const echoed = streams.echo(first, [{ number: 7n, data: "" }]);
  const seen = [];
  for await (const piece of echoed) seen.push(piece);
  assert.deepEqual(seen, [{ number: 7n, data: "" }]);
  assert.deepEqual(await echoed.reply(), { parts: 1n, bytes: 0n });
});

test("an error of the source of parts is the error of the call", async (t) => {
  const { context } = await connected(t, ["streams"]);
  const first = { parts: 0n, size: 0n, wait_ms: 0n };
  const failing = (async function* () {
    yield { number: 1n, data: "" };
    throw new RangeError("no more");
  })();
  await assert.rejects(new Streams(context).sum(first, failing), RangeError);
  await assert.rejects(new Streams(context).sum(first, [{ number: "1" }]), { name: "bad_payload", message: "number: expected int, got text" });
  await until(async () => (await context.modules.status()).contexts[0].tokens.open === 0, "the end of the handlers");
});

test("a call ends with its timeout or its signal", async (t) => {
  const { context } = await connected(t, ["timer"]);
  const timer = new Timer(context);
  const request = { message: "", delay_ms: 30000 };
  await assert.rejects(timer.echo(request, { timeout: 20 }), (error) => error instanceof DeadlineError && error.name === "deadline" && error.status === 24);
  const controller = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(timer.echo(request, { signal: controller.signal }), (error) => error instanceof CanceledError && error.cause === reason);
  await assert.rejects(timer.echo(request, { signal: controller.signal }), CanceledError);
  await assert.rejects(timer.echo(request, { timeout: -1 }), { name: "invalid_argument" });
});

test("errors have the class that the module declares", async (t) => {
  const { context } = await connected(t, ["timer", "kv", "session"]);
  const timer = new Timer(context);
  await assert.rejects(timer.echo({ message: "", delay_ms: 100000 }), (error) => {
    assert.ok(error instanceof InvalidArgumentError && error instanceof CallError && error instanceof Error);
    assert.equal(error.status, Status.invalid_argument);
    assert.equal(error.name, "invalid_argument");
    assert.match(error.message, /^delay_ms: 100000 is above/);
    assert.equal(error.detail, undefined);
    return true;
  });
  await assert.rejects(new Kv(context).get({ key: "" }), BadPayloadError);
  await assert.rejects(new Session(context).login({ user_id: 5n }), NoHostFunctionError);
  await assert.rejects(context.call("nobody.there"), { name: "unknown_name", status: 18 });
  await assert.rejects(timer.echo({ message: 5, delay_ms: 0 }), { name: "bad_payload", message: "message: expected text, got int" });
  await assert.rejects(context.call("timer.echo", { message: 5, delay_ms: 0 }), { name: "bad_payload", message: "message: expected text, got int" });
});

test("events come to callbacks and loops, until they are closed", async (t) => {
  const { context } = await connected(t, ["kv", "timer"]);
  const kv = new Kv(context);
  const heard = [];
  const listener = await kv.onChanged((event) => heard.push(event));
  const loop = kv.changedEvents()[Symbol.asyncIterator]();
  const all = context.events("kv.*")[Symbol.asyncIterator]();
  await kv.put({ key: "a", value: 1 });
  await kv.delete({ key: "a" });
  assert.deepEqual((await loop.next()).value, { key: "a", change: "put" });
  assert.deepEqual((await loop.next()).value, { key: "a", change: "deleted" });
  const untyped = (await all.next()).value;
  assert.equal(untyped.name, "kv.changed");
  assert.deepEqual(untyped.payload, { key: "a", change: "put" });
  await until(() => heard.length === 2);
  await listener.close();
  await loop.return();
  assert.equal((await loop.next()).done, true);
  await kv.put({ key: "a", value: 1 });
  assert.equal((await all.next()).value.payload.change, "deleted");
  assert.equal((await all.next()).value.payload.change, "put");
  assert.equal(heard.length, 2);
  assert.equal((await context.modules.status()).contexts[0].listeners, 2); // all, and the one for reloads
});

test("what a listener throws does not reach others", async (t) => {
  const errors = [];
  const { context } = await connected(t, ["kv"], { onError: (error, what) => errors.push([error.message, what]) });
  const kv = new Kv(context);
  const heard = [];
  await kv.onChanged(() => {
    throw new Error("sync");
  });
  await kv.onChanged(async () => {
    throw new Error("async");
  });
  await kv.onChanged((event) => heard.push(event.key));
  await kv.put({ key: "a", value: 1 });
  await until(() => heard.length === 1 && errors.length === 2);
  assert.deepEqual(errors.map(([message]) => message).sort(), ["async", "sync"]);
});

test("every form keeps its values", async (t) => {
  const { context } = await connected(t, ["forms"]);
  const forms = new Forms(context);
  const scalars = {
    flag: true, i8: -128, u8: 255, i16: -32768, u16: 65535, i32: -(2 ** 31), u32: 2 ** 32 - 1, i64: -(2n ** 63n), u64: 2n ** 64n - 1n,
    f32: 0.5, f64: Math.PI, text: "\u0000ü\u{10ffff}", bytes: Uint8Array.of(0, 255), id: new Uint8Array(16), wait: 5n, path: "/a",
    any: new Map([[1, "one"]]), nothing: null, class: 3,
  };
  assert.deepEqual(Scalars.decode(Scalars.encode(scalars)), scalars);
  assert.equal((await forms.scalars(scalars)).flag, false);
  assert.deepEqual(await forms.defaults({ required: "r" }), {
    name: 'timer "x"', count: -5, factor: 1.5, loud: true, colour: "green", limit: 7, required: "r",
  });
  assert.equal(Defaults.decode(Defaults.encode({ required: "r", limit: null })).limit, null);
  await assert.rejects(forms.defaults({ required: "r", count: 101 }), (error) => {
    assert.equal(error.constructor.name, "Error1001");
    assert.deepEqual(error.detail, { x: 1, y: 2 });
    return true;
  });
  assert.equal(await forms.nothing(), undefined);
  assert.deepEqual(await forms.lists({ a: null, b: 5 }), []);
  assert.deepEqual(await forms.raw(Uint8Array.of(1, 2)), Uint8Array.of(1, 2));
  assert.deepEqual(await forms.double({ x: 0.5, y: -0 }), { x: 1, y: -0 });
});

test("the interface is checked before the first call", async (t) => {
  const changes = [];
  const { context } = await connected(t, ["timer"], { onInterfaceChange: (state) => changes.push(state) });
  assert.equal((await new Timer(context).checked()).verdict, "equal");
  const other = context.expect({ module: "timer", version: "0.9.0", hash: "0000000000000000", cddl: "timer.gone.request = {}\n" });
  await assert.rejects(other.gate(), (error) => error instanceof InterfaceChangedError && error.status === 47);
  assert.equal(changes.at(-1).verdict, "breaks callers");
});

test("many calls at once are answered each", async (t) => {
  const { context } = await connected(t, ["echo", "timer"]);
  const echo = new Echo(context);
  const texts = Array.from({ length: 20000 }, (_, at) => `n${at}`);
  const answers = await Promise.all(texts.map((text) => echo.shout({ text })));
  assert.deepEqual(answers.map((each) => each.shouted), texts.map((text) => text.toUpperCase()));
});
