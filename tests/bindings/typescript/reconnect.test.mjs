// SPDX-License-Identifier: Apache-2.0
//
// Hosts that die, come back, and reload modules under a running client.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Context, UnreachableError } from "@backplane/client";
import { Kv } from "./generated/kv.js";
import { Timer } from "./generated/timer.js";
import { host, modulePath, until } from "./support.mjs";
import { fakeSocket, frame, hello } from "./support_fake.mjs";

const reconnect = { initial: 10, max: 100 };

test("a host that is killed and started again is used again", async (t) => {
  const first = await host(t, ["kv", "timer"]);
  const states = [];
  const context = await Context.connect({ socketPath: first.socket, reconnect, onState: (state) => states.push(state) });
  t.after(() => context.close({ drain: 0 }));
  const timer = new Timer(context);
  const kv = new Kv(context);
  const order = [];
  await kv.onChanged(
    async ({ key }) => order.push(key),
    { onGap: async (gap) => order.push(["gap", gap, await kv.count({})]) },
  );
  const gaps = [];
  const loop = kv.changedEvents({ onGap: (gap) => gaps.push(gap) })[Symbol.asyncIterator]();
  await kv.put({ key: "before", value: 1 });
  assert.equal((await loop.next()).value.key, "before");

  const open = [1, 2, 3].map(() => timer.echo({ message: "", delay_ms: 30000 }));
  const stream = timer.ticks({ count: 1000, interval_ms: 20 });
  const ticking = stream[Symbol.asyncIterator]();
  await ticking.next();
  const drained = (async () => {
    while (!(await ticking.next()).done);
  })();
  const ending = Promise.allSettled([...open, drained]);
  await first.kill();
  const ended = await ending;
  for (const each of ended) assert.ok(each.reason instanceof UnreachableError, String(each.reason));
  await assert.rejects(timer.echo({ message: "", delay_ms: 0 }), (error) => error instanceof UnreachableError && /the client tries again/.test(error.message));
  assert.equal(context.isConnected, false);
  await until(() => states.some((state) => state.kind === "failed"));

  const second = await host(t, ["kv", "timer"], { folder: first.folder });
  await until(() => context.isConnected);
  assert.equal(context.host.pid, second.pid);
  assert.equal((await timer.echo({ message: "back", delay_ms: 0 })).echoed, "back");
  await until(() => order.length === 2);
  assert.deepEqual(order[1], ["gap", { lost: 0, sinceMs: 0, reconnected: true }, { count: 1n }]);
  const next = loop.next();
  await kv.put({ key: "after", value: 1 });
  assert.equal((await next).value.key, "after");
  assert.deepEqual(gaps, [{ lost: 0, sinceMs: 0, reconnected: true }]);
  await until(() => order.length === 3);
  assert.equal(order[2], "after");
  assert.equal(states[0].kind, "lost");
  assert.equal(states.at(-1).kind, "connected");
});

test("a module that is reloaded goes on, and its interface is compared again", async (t) => {
  const running = await host(t, ["timer"]);
  const context = await Context.connect({ socketPath: running.socket });
  t.after(() => context.close({ drain: 0 }));
  const timer = new Timer(context);
  assert.equal((await timer.checked()).verdict, "equal");
  let stop = false;
  let calls = 0;
  const calling = (async () => {
    for (; !stop; ++calls) assert.equal((await timer.echo({ message: `${calls}`, delay_ms: 0 })).echoed, `${calls}`);
  })();
  for (let count = 0; count < 5; ++count) {
    execFileSync(`${process.env.BACKPLANE_BUILD}/bin/backplane`, ["reload", "--socket", running.socket, "timer"], { stdio: "pipe" });
  }
  const report = await context.modules.reload("timer");
  assert.equal(report.module, "timer");
  const before = calls;
  await until(() => calls > before + 10);
  stop = true;
  await calling;
  assert.equal((await timer.checked()).verdict, "equal");

  await context.modules.unload("timer");
  await until(async () => (await timer.checked()).verdict === "not loaded");
  await assert.rejects(timer.echo({ message: "", delay_ms: 0 }), { name: "module_gone" });
  await context.modules.load(modulePath("timer"));
  assert.equal((await timer.echo({ message: "again", delay_ms: 0 })).echoed, "again");
});

test("waits grow, and attempts end", async (t) => {
  const socket = await fakeSocket(t);
  const states = [];
  const times = [];
  const connecting = Context.connect({
    socketPath: socket.path,
    reconnect: { initial: 10, factor: 5, max: 200, jitter: 0, attempts: 3 },
    helloTimeout: 5000,
    onState: (state) => {
      states.push([state.kind, state.attempts]);
      times.push(performance.now());
    },
  });
  const peer = await socket.peer();
  peer.bytes(frame(hello()));
  const context = await connecting;
  const events = context.events("a.*")[Symbol.asyncIterator]();
  peer.reply((await peer.nextOf(5))[1], null);
  const waiting = assert.rejects(events.next(), UnreachableError);
  peer.socket.destroy();
  for (let count = 0; count < 3; ++count) (await socket.peer()).socket.destroy();
  await waiting;
  await until(() => states.at(-1)[0] === "gave up");
  assert.deepEqual(states, [["lost", 0], ["failed", 1], ["failed", 2], ["failed", 3], ["gave up", 3]]);
  assert.ok(times[2] - times[1] > 45 && times[3] - times[2] > 190, String(times)); // waits of 10, 50 and 200 ms
  await assert.rejects(context.call("a.b"), (error) => error instanceof UnreachableError && !/tries again/.test(error.message));
  await context.close();
  await assert.rejects(context.call("a.b"), { name: "closed" });
});

test("listeners, functions and checks come back before anything else, and refusals are told", async (t) => {
  const socket = await fakeSocket(t);
  const states = [];
  const connecting = Context.connect({ socketPath: socket.path, reconnect: { initial: 1 }, onState: (state) => states.push(state) });
  const first = await socket.peer();
  first.bytes(frame(hello()));
  const context = await connecting;
  const order = [];
  const listening = [
    context.on("a.x", ({ name }) => order.push(name), { onGap: (gap) => order.push(gap.reconnected) }),
    context.on("a.y", () => order.push("never"), { onGap: () => order.push("no gap") }),
  ];
  for (let count = 0; count < 2; ++count) first.reply((await first.nextOf(5))[1], null);
  await Promise.all(listening);
  const providing = context.provide("app.f", () => 1);
  first.reply((await first.nextOf(25))[1], null);
  await providing;
  const expectation = context.expect({ module: "m", version: "1", hash: "h", cddl: "" });
  for (let count = 0; count < 2; ++count) first.reply((await first.next())[1], null); // the check, and the listener for reloads
  await expectation.gate();
  first.socket.destroy();

  const second = await socket.peer();
  second.bytes(frame(hello()));
  await second.nextOf(1);
  const frames = [];
  for (let count = 0; count < 5; ++count) frames.push(await second.next());
  assert.deepEqual(frames.map(([type]) => type), [24, 25, 5, 5, 5]);
  const [expect, provide, ...listens] = frames;
  const byPattern = (pattern) => listens.find((each) => each[3] === pattern);
  second.fail(expect[1], 43, "no module m is loaded");
  second.fail(provide[1], 36, "taken");
  second.send(17, byPattern("a.x")[2], 0, "a.x", Uint8Array.of(1)); // before its reply
  second.reply(byPattern("a.x")[1], null);
  second.fail(byPattern("a.y")[1], 21, "too many");
  await until(() => states.filter((state) => state.kind === "refused").length === 2);
  assert.deepEqual(order, [true, "a.x"]);
  assert.equal(expectation.state.verdict, "not loaded");
  await context.close({ drain: 0 });
});
