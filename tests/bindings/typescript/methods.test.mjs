// SPDX-License-Identifier: Apache-2.0
//
// Handles of wire names, and the table of requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Context, encode, Status } from "@backplane/client";
import { Timer } from "./generated/timer.js";
import { host, modulePath, until } from "./support.mjs";
import { fakeSocket, frame, hello, pair } from "./support_fake.mjs";

const none = new Uint8Array(0);
const largest = 2n ** 53n - 1n;

test("a name is resolved once, and its calls have the number", async (t) => {
  const { peer, context } = await pair(t);
  for (const [name, handle] of [["a.b", 7], ["a.c", 300], ["a.d", 70000], ["a.e", 2 ** 40 + 1], ["a.f", largest]]) {
    const finding = context.method(name);
    const resolve = await peer.next();
    assert.deepEqual([resolve[0], resolve[2]], [4, name]);
    peer.reply(resolve[1], handle);
    const method = await finding;
    assert.equal(method.name, name);
    const call = method.call({ x: 1 }, { timeout: 70000 });
    const items = await peer.next();
    assert.deepEqual(items, [2, items[1], Number(handle), encode({ x: 1 }), 70000, 1]);
    peer.reply(items[1], "there");
    assert.equal(await call, "there");
    const again = (await context.method(name)).callRaw(none); // without a further question
    const raw = await peer.next();
    assert.deepEqual(raw.slice(2, 4), [Number(handle), none]);
    peer.reply(raw[1], 5);
    assert.deepEqual(await again, Uint8Array.of(5));
  }
  const stream = (await context.method("a.b")).stream({});
  const items = await peer.next();
  assert.deepEqual(items.slice(2), [7, encode({}), 0, 3, 1 << 20, 1024]);
  peer.reply(items[1], 1, Status.partial);
  peer.reply(items[1], 2);
  const parts = [];
  for await (const part of stream) parts.push(part);
  assert.deepEqual([parts, await stream.reply()], [[1], 2]);
});

test("a name that the host does not resolve has no handle", async (t) => {
  const { peer, context } = await pair(t);
  const unknown = context.method("a.b");
  peer.fail((await peer.next())[1], Status.unknown_name, "a.b: no module has it");
  await assert.rejects(unknown, { name: "unknown_name", message: /no module/ });
  for (const wrong of [0, -1, "7", 2n ** 53n, [7]]) {
    const finding = context.method("a.b");
    peer.reply((await peer.next())[1], wrong);
    await assert.rejects(finding, { name: "bad_payload" });
  }
  const finding = context.method("a.b");
  await peer.next();
  peer.socket.destroy();
  await assert.rejects(finding, { name: "unreachable" });
  await assert.rejects(context.method("a.b"), { name: "unreachable" });
});

test("a name has one place, however often it is tried, and a try after a failed one is a new question", async (t) => {
  const { peer, context } = await pair(t);
  const find = async (name, ...answers) => {
    const finding = answers.map(() => context.method(name));
    const outcomes = Promise.allSettled(finding);
    for (const handle of answers) {
      const [type, id] = await peer.next();
      assert.equal(type, 4);
      if (handle) peer.reply(id, handle);
      else peer.fail(id, Status.unknown_name);
    }
    return (await outcomes).map((each) => each.value?.wire);
  };
  const [first] = await find("a.first", 1);
  const refusals = await find("a.b", 0, 0, 0);
  assert.deepEqual(refusals, [undefined, undefined, undefined]);
  for (let count = 0; count < 5; ++count) assert.deepEqual(await find("a.b", 0), [undefined]);
  const [refused, found, again] = await find("a.b", 0, 7, 7);
  assert.equal(refused, undefined);
  assert.equal(found.place, first.place + 1);
  assert.equal(again, found);
  const call = (await context.method("a.b")).call();
  const items = await peer.next();
  assert.deepEqual([items[0], items[2]], [2, 7]);
  peer.reply(items[1], 1);
  await call;
  const [next] = await find("a.next", 2);
  assert.equal(next.place, first.place + 2);
});

test("generated code asks for a handle with its second call, and has it on each connection anew", async (t) => {
  const socket = await fakeSocket(t);
  const connecting = Context.connect({ socketPath: socket.path, reconnect: { initial: 1 } });
  const greet = async () => {
    const peer = await socket.peer();
    peer.bytes(frame(hello()));
    await peer.nextOf(1);
    return peer;
  };
  let peer = await greet();
  const context = await connecting;
  t.after(() => context.close({ drain: 0 }));
  const timer = new Timer(context);
  const echo = async (expected, first = false) => {
    const call = timer.echo({ message: "m", delay_ms: 0 });
    for (let count = 0; first && count < 2; ++count) peer.reply((await peer.next())[1], null); // the check, and reloads
    for (const [type, target] of expected) {
      const items = await peer.next();
      assert.deepEqual([items[0], items[2]], [type, target]);
      if (type === 4) peer.answer = (handle) => peer.reply(items[1], handle);
      else peer.reply(items[1], { echoed: "m", timer_name: "t" });
    }
    assert.equal((await call).echoed, "m");
  };
  const ping = async () => { // what the host has sent before has come
    const call = context.call("a.ping");
    peer.reply((await peer.nextOf(2))[1], 1);
    await call;
  };
  await echo([[2, "timer.echo"]], true);
  await echo([[4, "timer.echo"], [2, "timer.echo"]]);
  await echo([[2, "timer.echo"]]); // no answer yet, and no second question
  peer.answer(77);
  await ping();
  await echo([[2, 77]]);
  const known = context.method("timer.echo");
  peer.reply((await peer.nextOf(4))[1], 77);
  const method = await known;

  peer.socket.destroy();
  await until(() => !context.isConnected);
  peer = await greet();
  const resolve = await peer.nextOf(4); // of context.method(), at once
  assert.equal(resolve[2], "timer.echo");
  const byName = method.call();
  const call = await peer.nextOf(2);
  assert.equal(call[2], "timer.echo", "the handle of another host is not used");
  peer.reply(call[1], 1);
  await byName;
  peer.reply(resolve[1], 5);
  await ping();
  const byHandle = method.call();
  const next = await peer.nextOf(2);
  assert.equal(next[2], 5);
  peer.reply(next[1], 1);
  await byHandle;
});

test("a refused handle is asked for again after many calls, and no call fails for it", async (t) => {
  const { peer, context } = await pair(t);
  const timer = new Timer(context);
  for (let count = 0; count < 2; ++count) peer.reply((await peer.next())[1], null); // the check, and reloads
  await timer.checked();
  const asked = [];
  for (let count = 1; count <= 200; ++count) {
    const call = timer.echo({ message: "m", delay_ms: 0 });
    for (;;) {
      const items = await peer.next();
      if (items[0] === 4) {
        asked.push(count);
        peer.fail(items[1], Status.not_permitted);
        continue;
      }
      assert.equal(items[2], "timer.echo");
      peer.reply(items[1], { echoed: "m", timer_name: "t" });
      break;
    }
    await call;
  }
  assert.deepEqual(asked, [2, 66, 130, 194]);
});

test("a handle of a real host outlives the reload of its module", async (t) => {
  const running = await host(t, ["echo"]);
  const context = await Context.connect({ socketPath: running.socket });
  t.after(() => context.close({ drain: 0 }));
  await assert.rejects(context.method("none.such"), { name: "unknown_name" });
  const shout = await context.method("echo.shout");
  assert.deepEqual(await shout.call({ text: "a" }), { shouted: "A", prefix: "" });
  await context.modules.reload("echo");
  assert.deepEqual(await shout.call({ text: "b" }), { shouted: "B", prefix: "" });
  await context.modules.unload("echo");
  await assert.rejects(shout.call({ text: "c" }), { name: "module_gone" });
  await context.modules.load(modulePath("echo"));
  assert.deepEqual(await shout.call({ text: "d" }), { shouted: "D", prefix: "" });
});

test("a call that stays open keeps its id, however many others come and go", async (t) => {
  const { peer, context } = await pair(t);
  const ids = new Set();
  const open = [];
  for (let count = 0; count < 700; ++count) {
    const call = context.call("a.b");
    const [, id] = await peer.next();
    assert.ok(!ids.has(id));
    ids.add(id);
    if (count % 7 === 0) open.push([id, call]);
    else {
      peer.reply(id, id);
      assert.equal(await call, id);
    }
  }
  for (const [id, call] of open.reverse()) {
    peer.reply(id, id);
    assert.equal(await call, id);
  }
  peer.reply(open[0][0], "again"); // of no call: ignored
  const many = Array.from({ length: 1000 }, () => context.call("a.b"));
  for (const [at, call] of many.entries()) {
    const [, id] = await peer.next();
    peer.reply(id, at);
    assert.equal(await call, at);
  }
});

test("calls end at their own deadlines, whatever the order in which they begin", async (t) => {
  const { peer, context } = await pair(t);
  const order = [];
  const call = (timeout) =>
    context.call("a.b", {}, { timeout }).then(
      () => order.push("answered"),
      (error) => order.push(`${error.name} ${error.message.match(/[0-9]+ ms/)}`),
    );
  const calls = [call(200), call(1), call(100), call(0), call(5000)];
  const ids = [];
  for (let count = 0; count < 5; ++count) ids.push((await peer.next())[1]);
  await Promise.all(calls.slice(0, 3));
  assert.deepEqual(order, ["deadline 1 ms", "deadline 100 ms", "deadline 200 ms"]);
  assert.deepEqual((await Promise.all([peer.next(), peer.next(), peer.next()])).map((items) => items[1]), [ids[1], ids[2], ids[0]]);
  peer.reply(ids[3], 1);
  peer.reply(ids[4], 1);
  await Promise.all(calls);
  assert.deepEqual(order.slice(3), ["answered", "answered"]);
});
