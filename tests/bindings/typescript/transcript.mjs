// SPDX-License-Identifier: Apache-2.0
//
// The transcript of TypeScript; tests/bindings/transcript/README.md says what each line is.
import { CallError, Context } from "@backplane/client";
import { Echo, INTERFACE_HASH as echoHash } from "./generated/echo.js";
import { Generator, INTERFACE_HASH as generatorHash } from "./generated/generator.js";
import { INTERFACE_HASH as kvHash, Kv } from "./generated/kv.js";
import { INTERFACE_HASH as sessionHash, Session } from "./generated/session.js";
import { INTERFACE_HASH as timerHash, Timer } from "./generated/timer.js";

const bound = 10000; // milliseconds

function text(value) {
  return JSON.stringify(value).replace(/\\(?:[bfnrt]|u00[01][0-9a-f])/g, (escape) => {
    const code = JSON.parse(`"${escape}"`).charCodeAt(0);
    return `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
  });
}

function show(value) {
  if (value === undefined || value === null) return "null";
  if (typeof value === "string") return text(value);
  if (typeof value === "number" && !Number.isInteger(value)) return String(value);
  if (value instanceof Uint8Array) return `h'${Buffer.from(value).toString("hex")}'`;
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value !== "object") return String(value);
  const keys = Object.keys(value).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${keys.map((key) => `${text(key)}: ${show(value[key])}`).join(", ")}}`;
}

const enums = ["priority", "change"]; // members whose text is shown as it is
const shown = ([key, value]) => `${key}=${enums.includes(key) ? value : show(value)}`;
const line = (name, members) =>
  console.log(`${name}: ${typeof members === "string" ? members : Object.entries(members).map(shown).join(" ")}`);
const pick = (value, ...names) => Object.fromEntries(names.map((name) => [name, value[name]]));

/** Waits for a promise, within the bound of the transcript. */
async function within(name, promise) {
  const timer = setTimeout(() => {
    console.log(`${name}: timeout`);
    process.exit(1);
  }, bound);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function fails(name, promise, withMessage = false) {
  try {
    await within(name, promise);
    line(name, "no error");
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const status = error.status >= 1000 ? error.status : error.name;
    const message = withMessage ? ` message=${text(error.message)}` : "";
    line(name, `error status=${status}${message}${error.detail === undefined ? "" : ` detail=${show(error.detail)}`}`);
  }
}

/** Listens while a task runs; gives back the next event for each name. */
async function first(name, events) {
  const loop = events[Symbol.asyncIterator]();
  const { value } = await within(name, loop.next());
  await loop.return();
  return value;
}

const payload = {
  big: 2n ** 64n - 1n, bytes: Uint8Array.of(0, 255), list: [], low: -(2n ** 64n), map: {}, nan: NaN, nested: [[1, [2]], { x: null }],
  text: "ü", true: true,
};

async function echoes(echo) {
  const shout = (name, words) => within(name, echo.shout({ text: words }));
  line("echo.version", await within("echo.version", echo.version()));
  line("echo.shout", pick(await shout("echo.shout", "hello world"), "shouted", "prefix"));
  line("echo.shout unicode", pick(await shout("echo.shout unicode", "größe 日本語 😀"), "shouted"));
  line("echo.shout empty", pick(await shout("echo.shout empty", ""), "shouted"));
  line("echo.shout nul", pick(await shout("echo.shout nul", "a\0b"), "shouted"));
  const { shouted } = await shout("echo.shout large", "a".repeat(1048576));
  line("echo.shout large", { size: Buffer.byteLength(shouted), same: /^A*$/.test(shouted) });
  line("echo.raw", { bytes: await within("echo.raw", echo.raw(Uint8Array.of(0, 1, 2, 253, 254, 255))) });
  line("echo.raw empty", { size: (await within("echo.raw empty", echo.raw(new Uint8Array(0)))).length });
  const large = new Uint8Array(1048576).map((_, at) => at % 251);
  const back = await within("echo.raw large", echo.raw(large));
  line("echo.raw large", { size: back.length, same: Buffer.compare(back, large) === 0 });
}

async function timers(timer) {
  const fired = timer.echoFiredEvents();
  line("timer.echo", pick(await within("timer.echo", timer.echo({ message: "hello", delay_ms: 1 })), "echoed", "timer_name"));
  line("timer.echo_fired", pick(await first("timer.echo_fired", fired), "message", "echo_count"));
  await fails("timer.echo limit", timer.echo({ message: "", delay_ms: 60001 }), true);
  const messages = [{ message: "a", delay_ms: 1 }, { message: "b", delay_ms: 2 }];
  const complex = (name, request) => within(name, timer.complex(request)).then((summary) => line(name, pick(summary, "summary", "item_count", "has_note")));
  await complex("timer.complex", { messages, tags: ["x", "y"], note: "n", retries: -3 });
  await complex("timer.complex absent", { messages: [], tags: [] });

  const members = ["job_id", "will_run_count", "first_run_at_ms", "effective_backoff_ms", "priority"];
  const scheduled = timer.jobScheduledEvents();
  const plan = await within("timer.schedule", timer.schedule({
    job: { name: "j", payload, priority: "high" },
    retry: { max_attempts: 3, backoff_ms: 500, retry_on: ["io"] },
    schedule: { start_at_ms: 1000n, interval_ms: 0n, jitter: 18446744073709550615n },
  }));
  line("timer.schedule", pick(plan, ...members));
  const { job_id, job } = await first("timer.job_scheduled", scheduled);
  line("timer.job_scheduled", { job_id, ...pick(job, "name", "payload", "priority") });
  const bare = await within("timer.schedule absent", timer.schedule({
    job: { name: "j", payload: null, priority: "low" },
    retry: { max_attempts: 3, backoff_ms: 0, retry_on: [] },
    schedule: { start_at_ms: 1n, interval_ms: 0n },
  }));
  line("timer.schedule absent", pick(bare, ...members));

  const ticks = timer.ticks({ count: 3, interval_ms: 1 });
  for await (const tick of ticks) line("timer.ticks part", pick(tick, "tick", "of"));
  line("timer.ticks", pick(await within("timer.ticks", ticks.reply()), "ticks"));
  await fails("timer.ticks limit", timer.ticks({ count: 10001, interval_ms: 1 }).reply(), true);
  let parts = 0;
  for await (const _ of timer.ticks({ count: 1000, interval_ms: 1 })) if (++parts === 2) break;
  line("timer.ticks left", { parts });
}

async function values(kv) {
  const get = (name, key) => within(name, kv.get({ key }));
  const put = (name, key, value) => within(name, kv.put({ key, value })).then(() => line(name, "done"));
  line("kv.get missing", pick(await get("kv.get missing", "none"), "found", "value"));
  let changed = kv.changedEvents();
  await put("kv.put", "a", 1);
  line("kv.changed", pick(await first("kv.changed", changed), "key", "change"));
  await put("kv.put nested", "b", payload);
  line("kv.get", pick(await get("kv.get", "b"), "found", "value"));
  let deep = [];
  for (let level = 1; level < 60; ++level) deep = [deep];
  await put("kv.put deep", "c", deep);
  let { value } = await get("kv.get deep", "c");
  let levels = 0;
  for (; Array.isArray(value); [value] = value) ++levels;
  line("kv.get deep", { levels });
  await fails("kv.put empty", kv.put({ key: "", value: 1 }), true);
  line("kv.count", await within("kv.count", kv.count({})));
  let after;
  do {
    const page = await within("kv.scan page", kv.scan({ limit: 2n, after }));
    line("kv.scan page", { keys: page.entries.map(({ key }) => key), next: page.next });
    after = page.next;
  } while (after !== undefined);
  changed = kv.changedEvents();
  line("kv.delete", await within("kv.delete", kv.delete({ key: "a" })));
  line("kv.deleted", pick(await first("kv.deleted", changed), "key", "change"));
  line("kv.delete missing", await within("kv.delete missing", kv.delete({ key: "a" })));
}

async function sessions(session) {
  const login = (name, user_id) => within(name, session.login({ user_id })).then((reply) => line(name, pick(reply, "user_id", "profile")));
  await fails("session.login alone", session.login({ user_id: "ann" }));
  const answers = {
    bob: () => new Promise((resolve) => setTimeout(resolve, 5, "later")),
    cid: () => new Promise((resolve) => setImmediate(resolve, "thread")),
    dan: () => {
      throw new CallError(1234, "no such user", { detail: { user: "dan" } });
    },
  };
  const provided = await session.provideProfileFetch(({ user_id }) => answers[user_id]?.() ?? { name: user_id, age: 42 });
  const events = session.loggedInEvents();
  await login("session.login inline", "ann");
  line("session.logged_in", pick(await first("session.logged_in", events), "user_id"));
  await login("session.login number", 2n ** 64n - 1n);
  await login("session.login later", "bob");
  await login("session.login thread", "cid");
  await fails("session.login failing", session.login({ user_id: "dan" }), true);
  await provided.withdraw();
  await fails("session.login withdrawn", session.login({ user_id: "ann" }));
}

async function generators(generator) {
  const primes = generator.primes({ count: 5 });
  for await (const part of primes) line("generator.primes part", pick(part, "prime"));
  line("generator.primes", pick(await within("generator.primes", primes.reply()), "count", "last"));
  line("generator.zip", await within("generator.zip", generator.zip({ left: [1, "two", null], right: [Uint8Array.of(3), [4], {}] })));
  line("generator.chain", await within("generator.chain", generator.chain({ stages: 3, values: [-(2n ** 63n), 9007199254740993n, 0n] })));
}

async function connected(context) {
  const [echo, timer, kv] = [new Echo(context), new Timer(context), new Kv(context)];
  const [session, generator] = [new Session(context), new Generator(context)];
  for (const [name, client, hash] of [["echo", echo, echoHash], ["timer", timer, timerHash], ["kv", kv, kvHash], ["session", session, sessionHash], ["generator", generator, generatorHash]]) {
    await within(`interface ${name}`, client.checked());
    line(`interface ${name}`, { hash });
  }
  await echoes(echo);
  await timers(timer);
  await values(kv);
  await sessions(session);
  await generators(generator);

  const long = { message: "", delay_ms: 60000 };
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 5);
  await fails("cancel", timer.echo(long, { signal: controller.signal }));
  await fails("deadline", timer.echo(long, { timeout: 20 }));
  const both = Promise.all([timer.echo({ message: "both", delay_ms: 20 }), generator.primes({ count: 3 }).reply()]);
  const [{ echoed }, { last }] = await within("both", both);
  line("both", { echoed, last });
  const fired = timer.echoFiredEvents();
  await within("reload", context.modules.reload("timer"));
  line("reload", pick(await within("reload", timer.echo({ message: "again", delay_ms: 1 })), "echoed"));
  line("reload event", pick(await first("reload event", fired), "message", "echo_count"));
}

async function killed(context, pid) {
  const timer = new Timer(context);
  line("timer.echo", pick(await within("timer.echo", timer.echo({ message: "before", delay_ms: 1 })), "echoed"));
  setTimeout(() => process.kill(pid, "SIGKILL"), 50);
  await fails("open call", timer.echo({ message: "", delay_ms: 60000 }));
  await fails("later call", timer.echo({ message: "", delay_ms: 1 }));
}

const [, , how, socketPath, pid] = process.argv;
const context = await Context.connect({ socketPath });
if (how === "killed") await killed(context, Number(pid));
else await connected(context);
await context.close();
