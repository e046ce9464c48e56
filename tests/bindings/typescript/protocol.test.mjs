// SPDX-License-Identifier: Apache-2.0
//
// The client against a host that is scripted: what it sends, and what it makes of anything that may come.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CallError, Context, encode, InterfaceChangedError, Status, UnreachableError } from "@backplane/client";
import { until } from "./support.mjs";
import { fakeSocket, frame, hello, pair } from "./support_fake.mjs";

const none = new Uint8Array(0);
const vectors = (file) => JSON.parse(readFileSync(`${process.env.BACKPLANE_ROOT}/tests/protocol/vectors/${file}.json`)).vectors;
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (each) => parseInt(each, 16));

test("the hello names what the client takes", async (t) => {
  const { greeting } = await pair(t);
  assert.deepEqual(greeting.slice(0, 3), [1, "backplane", 1]);
  assert.deepEqual(greeting.slice(5), [67108864, 1, ["credit", "parts", "lossless", "provide"]]);
});

test("a hello that is no hello, and a protocol that is not spoken, are refused", async (t) => {
  for (const [bytes, message] of [
    [frame([16, 1, 0, none, "", none]), /no hello/],
    [frame([1, "backplane", 3, "9", 1, 65536, 2, []]), /speaks the protocol 2 to 3/],
    [frame([18, 46, "not for you"]), /not_permitted: not for you/],
    [Uint8Array.of(0, 0, 4, 1), /1025 bytes; at most 1024/],
    [Uint8Array.of(0, 0, 0, 0), /ends too early/],
  ]) {
    const socket = await fakeSocket(t);
    const connecting = Context.connect({ socketPath: socket.path });
    const peer = await socket.peer();
    peer.bytes(bytes);
    await assert.rejects(connecting, (error) => error instanceof UnreachableError && message.test(error.message));
    await until(() => peer.closed);
  }
  const silent = await fakeSocket(t);
  await assert.rejects(Context.connect({ socketPath: silent.path, helloTimeout: 20 }), /no hello within 20 ms/);
  await assert.rejects(Context.connect({ socketPath: `${silent.path}.none` }), UnreachableError);
});

test("frames may come byte by byte, or many at once", async (t) => {
  const { peer, context } = await pair(t);
  const first = context.call("a.b", { x: 1 });
  const second = context.call("a.c");
  const [call, other] = [await peer.next(), await peer.next()];
  assert.deepEqual([call[2], call[4], call[5]], ["a.b", 0, 1]);
  const answers = Buffer.concat([frame([16, call[1], 0, encode({ y: "z".repeat(300) }), "", none]), frame([16, other[1], 0, encode(2), "", none])]);
  for (const byte of answers) {
    peer.bytes(Uint8Array.of(byte));
    if (Math.random() < 0.2) await new Promise(setImmediate);
  }
  assert.equal((await first).y.length, 300);
  assert.equal(await second, 2);
});

test("what a host must not send ends the connection, with an error frame and each call once", async (t) => {
  const wrong = [
    ...vectors("errors").map((each) => [each.name, bytesOf(each.bytes)]),
    ...vectors("wrong_direction").filter((each) => each.receiver === "application").map((each) => [each.name, bytesOf(each.bytes)]),
    ["a frame that is too large", Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
  ];
  for (const [name, bytes] of wrong) {
    // Some of the errors are in frames that only a host takes: those end the connection because of their type.
    const { peer, context } = await pair(t);
    const call = context.call("a.b");
    await peer.next();
    const ended = assert.rejects(call, (error) => error instanceof UnreachableError && /protocol does not allow/.test(error.message), name);
    peer.bytes(bytes);
    const error = await peer.nextOf(18);
    assert.equal(error[1], Status.protocol, name);
    await ended;
    await until(() => peer.closed, name);
    await assert.rejects(context.call("a.b"), UnreachableError);
  }
});

test("lenient forms of frames are taken", async (t) => {
  for (const each of vectors("lenient").concat(vectors("frames"))) {
    if (!["reply", "event", "ask", "unask"].includes(each.frame.frame)) continue;
    const { peer, context } = await pair(t);
    const open = Array.from({ length: 24 }, () => context.call("a.b").catch(() => {}));
    peer.bytes(bytesOf(each.bytes));
    peer.fail(24, 1, "the end");
    assert.equal(await open[23].then(() => "ended"), "ended", each.name);
    assert.ok(context.isConnected, each.name);
  }
  for (const each of vectors("lenient").concat(vectors("frames"))) {
    if (each.frame.frame !== "hello") continue;
    const socket = await fakeSocket(t);
    const connecting = Context.connect({ socketPath: socket.path, reconnect: false });
    const peer = await socket.peer();
    peer.bytes(bytesOf(each.bytes));
    const context = await connecting;
    assert.equal(context.host.version, each.frame.version, each.name);
    assert.deepEqual(context.host.features, each.frame.features ?? [], each.name);
    await context.close();
  }
});

test("the frames of the client are those of the vectors", async (t) => {
  const { peer, context } = await pair(t);
  const sent = [];
  const exact = (name) => bytesOf(vectors("frames").find((each) => each.name === name).bytes);
  const { socket } = peer;
  socket.on("data", (chunk) => sent.push(chunk));
  context.callRaw("echo.version", bytesOf("a0"), { timeout: 1000 }).catch(() => {});
  await until(() => sent.length > 0);
  const expected = exact("call");
  expected[expected.length - 1] = 1; // flag bit 0: this client wants no stale replies
  assert.deepEqual(new Uint8Array(Buffer.concat(sent)), expected);
});

test("partial replies beyond the window end the connection", async (t) => {
  const { peer, context } = await pair(t);
  const stream = context.stream("a.parts", {}, { windowBytes: 100, windowParts: 3 });
  const call = await peer.next();
  assert.deepEqual(call.slice(4), [0, 3, 100, 3]);
  for (let count = 0; count < 4; ++count) peer.reply(call[1], count, Status.partial);
  assert.match((await peer.nextOf(18))[2], /beyond its window/);
  await assert.rejects(stream.reply(), UnreachableError);
});

test("credit is given for the parts that the loop is done with", async (t) => {
  const { peer, context } = await pair(t);
  const stream = context.stream("a.parts", {}, { windowBytes: 1000, windowParts: 3 });
  const loop = stream[Symbol.asyncIterator]();
  const call = await peer.next();
  for (let count = 0; count < 3; ++count) peer.reply(call[1], count, Status.partial);
  assert.equal((await loop.next()).value, 0);
  assert.deepEqual(await peer.next(), [13, call[1], 1]);
  assert.equal((await loop.next()).value, 1);
  assert.equal((await loop.next()).value, 2);
  let credited = 0;
  while (credited < 2) credited += (await peer.next())[2];
  assert.equal(credited, 2);
  // An empty part counts as one byte.
  peer.send(16, call[1], Status.partial, none, "", none);
  await assert.rejects(loop.next(), { name: "bad_payload" });
  assert.equal((await peer.nextOf(3))[1], call[1]);
});

test("a window may be full, and an empty part counts as one byte", async (t) => {
  const { peer, context } = await pair(t);
  const stream = context.streamRaw("a.parts", none, { windowBytes: 3, windowParts: 10 });
  const call = await peer.next();
  for (const part of [Uint8Array.of(1), none, Uint8Array.of(2)]) peer.send(16, call[1], Status.partial, part, "", none);
  const ping = context.call("a.b");
  peer.reply((await peer.next())[1], null);
  await ping; // so all parts have come before the first is read
  const sizes = [];
  const loop = stream[Symbol.asyncIterator]();
  for (let count = 0; count < 3; ++count) sizes.push((await loop.next()).value.length);
  assert.deepEqual(sizes, [1, 0, 1]);
  let credited = 0;
  while (credited < 3) credited += (await peer.nextOf(13))[2];
  assert.equal(credited, 3);
});

test("parts of a request wait for credit", async (t) => {
  const { peer, context } = await pair(t, { hello: hello(["parts", "credit"], { windowBytes: 10, windowParts: 2 }) });
  const stream = context.stream("a.take", 0, { parts: [1, 2, "a part of more than ten bytes", 4] });
  const call = await peer.next();
  assert.equal(call[5] & 4, 4);
  assert.deepEqual((await peer.next()).slice(0, 2), [14, call[1]]);
  await peer.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(peer.frames, []);
  peer.send(13, call[1], 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(peer.frames, [], "the large part goes alone");
  peer.send(13, call[1], 1000);
  assert.equal((await peer.next())[2].length, 31);
  peer.send(13, call[1], 31);
  assert.deepEqual(await peer.next(), [14, call[1], Uint8Array.of(4), 0]);
  assert.deepEqual(await peer.next(), [14, call[1], none, 2]);
  peer.reply(call[1], "done");
  assert.equal(await stream.reply(), "done");
});

test("a host that lacks a feature is told nothing of it", async (t) => {
  const { context } = await pair(t, { hello: hello([]) });
  await assert.rejects(context.stream("a.b", {}, { parts: [1] }).reply(), { name: "not_supported" });
  await assert.rejects(context.provide("a.b", () => 1), { name: "not_supported" });
  await assert.rejects(context.on("a.b", () => {}, { lossless: true }), { name: "not_supported" });
});

test("a request that is larger than the host's frames is refused here", async (t) => {
  const { peer, context } = await pair(t, { hello: hello([], { maxFrame: 5000 }) });
  await assert.rejects(context.callRaw("a.b", new Uint8Array(5000)), { name: "not_supported", message: /the host takes 5000/ });
  const call = context.callRaw("a.b", new Uint8Array(4900));
  peer.reply((await peer.next())[1], 1);
  await call;
});

test("a host that never answers does not hold a call with a timeout", async (t) => {
  const { peer, context } = await pair(t);
  await assert.rejects(context.call("a.b", {}, { timeout: 1 }), { name: "deadline", message: /has not answered/ });
  const call = await peer.next();
  assert.deepEqual(await peer.next(), [3, call[1]]);
  peer.reply(call[1], "late"); // nobody waits, and nobody minds
  const other = context.call("a.b");
  peer.reply((await peer.next())[1], "there");
  assert.equal(await other, "there");
});

test("host functions answer, fail, and learn that nobody waits", async (t) => {
  const { peer, context } = await pair(t);
  const aborted = [];
  const providing = context.provide("app.f", async (request, asked) => {
    if (request === "later") await new Promise(setImmediate);
    if (request === "fail") throw new CallError(1004, "no such", { detail: { why: 5 } });
    if (request === "throw") throw new TypeError("oh");
    if (request === "hang") {
      await new Promise((resolve) => asked.signal.addEventListener("abort", resolve));
      aborted.push(asked.name);
    }
    return { got: request };
  });
  const provide = await peer.next();
  assert.deepEqual(provide.slice(2), [0, "app.f"]);
  peer.reply(provide[1], null);
  const provided = await providing;
  const ask = (token, request) => peer.send(27, token, "app.f", encode(request), 0, 0);

  ask(2n ** 63n, "now");
  assert.deepEqual(await peer.next(), [28, 2n ** 63n, 0, encode({ got: "now" }), "", none]);
  ask(2, "later");
  assert.deepEqual((await peer.next()).slice(1, 4), [2, 0, encode({ got: "later" })]);
  ask(3, "fail");
  assert.deepEqual(await peer.next(), [28, 3, 1004, none, "no such", encode({ why: 5 })]);
  ask(4, "throw");
  assert.deepEqual(await peer.next(), [28, 4, Status.exception, none, "oh", none]);
  peer.send(27, 5, "app.f", Uint8Array.of(0xff), 0, 0);
  assert.deepEqual((await peer.next()).slice(1, 3), [5, Status.bad_payload]);
  peer.send(27, 6, "app.other", encode(1), 0, 0);
  assert.deepEqual((await peer.next()).slice(1, 3), [6, Status.no_host_function]);
  ask(7, "hang");
  peer.send(29, 7);
  peer.send(29, 7);
  await until(() => aborted.length === 1);
  ask(7, "now"); // the token is free again
  assert.equal((await peer.next())[1], 7);
  const withdrawing = provided.withdraw();
  const withdraw = await peer.next();
  assert.equal(withdraw[0], 26);
  peer.reply(withdraw[1], null);
  await withdrawing;
  ask(8, "now");
  assert.deepEqual((await peer.next()).slice(1, 3), [8, Status.no_host_function]);
});

test("a host function that the host refuses is not provided", async (t) => {
  const { peer, context } = await pair(t);
  const providing = context.provide("app.f", () => 1);
  peer.fail((await peer.next())[1], Status.name_taken, "app.f is provided by process 7");
  await assert.rejects(providing, { name: "name_taken", message: /process 7/ });
});

test("bytes of another realm are bytes, and what is no bytes is refused before anything is written", async (t) => {
  const { peer, context } = await pair(t);
  const foreign = runInNewContext("new Uint8Array([0xa0, 1])");
  assert.ok(!(foreign instanceof Uint8Array));
  const noBytes = ["abc", 5, null, {}, [1, 2], new DataView(new ArrayBuffer(1)), new Uint16Array(1)];
  for (const wrong of noBytes) {
    await assert.rejects(context.callRaw("a.b", wrong), { name: "TypeError", message: /^expected a Uint8Array, got / });
    await assert.rejects(context.streamRaw("a.b", wrong).reply(), TypeError);
  }
  const call = context.callRaw("a.b", foreign);
  const items = await peer.next();
  assert.deepEqual([items[0], items[2], items[3]], [2, "a.b", Uint8Array.of(0xa0, 1)]);
  peer.reply(items[1], 1);
  assert.deepEqual(await call, Uint8Array.of(1));

  const stream = context.streamRaw("a.b", none, { parts: [foreign, "abc"] });
  const [, id] = await peer.next();
  assert.deepEqual(await peer.next(), [14, id, Uint8Array.of(0xa0, 1), 0]);
  await assert.rejects(stream.reply(), TypeError);
  assert.deepEqual(await peer.next(), [3, id]);

  const answers = [foreign, "abc", undefined, Promise.resolve([1])];
  const providing = context.provideRaw("app.f", () => answers.shift());
  peer.reply((await peer.next())[1], null);
  await providing;
  for (let token = 1; token <= 4; ++token) {
    peer.send(27, token, "app.f", none, 0, 0);
    const answer = await peer.next();
    if (token === 1) assert.deepEqual(answer, [28, 1, 0, Uint8Array.of(0xa0, 1), "", none]);
    else assert.deepEqual([...answer.slice(0, 4), answer[4].slice(0, 21)], [28, token, Status.exception, none, "expected a Uint8Array"]);
  }
});

test("a call that fails while it is written leaves nothing of its frame", { timeout: 20000 }, async (t) => {
  const { peer, context } = await pair(t);
  class Odd extends Uint8Array {
    get length() {
      throw new Error("odd");
    }
  }
  await assert.rejects(context.callRaw("a.b", new Odd(3)), /odd/);
  await assert.rejects(context.on("half of a pair \ud800", () => {}), /surrogate/);
  const call = context.call("a.c", {});
  const items = await peer.next();
  assert.deepEqual([items[0], items[2]], [2, "a.c"]);
  peer.reply(items[1], 1);
  assert.equal(await call, 1);
});

test("a configuration is read before its frame is begun", async (t) => {
  const { peer, context } = await pair(t);
  const calls = [];
  const config = {
    get size() {
      calls.push(context.call("a.b", {}));
      return 5;
    },
  };
  const options = {
    config,
    get timeout() {
      calls.push(context.call("a.b", {}));
      return 7;
    },
  };
  const operations = [
    context.modules.load("/m.so", { config }),
    context.modules.reload("m", options),
    context.modules.unload("m", options),
  ];
  const others = [];
  while (others.length < 3) {
    const items = await peer.next();
    if (items[0] !== 2) others.push(items);
    peer.reply(items[1], items[0]);
  }
  assert.deepEqual(await Promise.all(operations), [7, 9, 8]);
  assert.deepEqual(
    others.map((items) => [items[0], ...items.slice(2)]),
    [
      [7, new TextEncoder().encode("/m.so"), encode({ size: 5 })],
      [9, "m", none, encode({ size: 5 }), 7],
      [8, "m", 7],
    ],
  );
  assert.deepEqual(await Promise.all(calls), [2, 2, 2, 2]);
  await assert.rejects(context.modules.unload("m", { timeout: -1 }), { name: "invalid_argument" });
});

test("the interface is sent only if the host wants it", async (t) => {
  const expected = { module: "m", version: "1", hash: "0123456789abcdef", cddl: "m.x.request = {}\n" };
  const changes = [];
  const { peer, context } = await pair(t, { client: { onInterfaceChange: (state) => changes.push(state) } });
  const checked = context.expect(expected);
  const next = async () => {
    for (;;) {
      const items = await peer.next();
      if (items[0] === 24) return items;
      peer.reply(items[1], null); // listen
    }
  };
  const first = await next();
  assert.deepEqual(first.slice(2), ["m", expected.hash]);
  peer.reply(first[1], { cddl: "wanted" });
  const second = await next();
  assert.deepEqual(second.slice(2), ["m", expected.hash, expected.cddl]);
  peer.reply(second[1], { module: "m", verdict: "compatible", changes: [] });
  await checked.gate();
  assert.equal(checked.state.verdict, "compatible");
  assert.equal(changes.length, 1);
  assert.equal(context.expect({ ...expected }), checked, "one check for a module and hash");

  const reloaded = encode({ eventType: "backplane.module_reloaded", payload: { module: "m", status: "ok" } });
  peer.send(17, 1, 1, "backplane.module_reloaded", reloaded);
  const third = await next();
  const gate = checked.gate();
  peer.fail(third[1], Status.interface_changed, "m.x: gone", encode({ verdict: "breaks callers", changes: [{ text: "gone" }] }));
  await assert.rejects(gate, (error) => error instanceof InterfaceChangedError && error.detail.changes[0].text === "gone");
  await assert.rejects(checked.gate(), InterfaceChangedError);
  assert.equal(changes.at(-1).verdict, "breaks callers");

  peer.send(17, 1, 1, "backplane.module_unloaded", reloaded);
  peer.fail((await next())[1], Status.not_found, "no module m is loaded");
  await until(() => checked.state.verdict === "not loaded");
  const again = checked.gate(); // each use asks again, until the module is there
  peer.reply((await next())[1], null);
  await again;
  assert.equal(checked.state.verdict, "equal");
});

test("gaps are told in their place, and events that cannot be read are left out", async (t) => {
  const errors = [];
  const { peer, context } = await pair(t, { client: { onError: (error, what) => errors.push(what) } });
  const gaps = [];
  const loop = context.events("m.*", { onGap: (gap) => gaps.push(gap) })[Symbol.asyncIterator]();
  const listen = await peer.next();
  assert.deepEqual(listen.slice(2), [1, "m.*"]);
  peer.send(17, 1, 0, "m.early", encode("before the reply"));
  peer.reply(listen[1], null);
  peer.send(17, 1, 3, "backplane.gap", encode({ eventType: "backplane.gap", payload: { lost: 42, since_ms: 1764522000000 } }));
  peer.send(17, 1, 1, "m.broken", encode({ eventType: "m.broken" }));
  peer.send(17, 1, 1, "m.e", encode({ eventType: "m.e", payload: 5 }));
  peer.send(17, 9, 1, "m.e", encode({ eventType: "m.e", payload: 6 })); // of no listener
  assert.equal((await loop.next()).value.payload, "before the reply");
  assert.deepEqual(gaps, []);
  assert.equal((await loop.next()).value.payload, 5);
  assert.deepEqual(gaps, [{ lost: 42, sinceMs: 1764522000000, reconnected: false }]);
  assert.equal(errors.length, 1);
});

test("events that nobody takes are bounded, and their number is told", async (t) => {
  const { peer, context } = await pair(t);
  let lost = 0;
  const events = context.events("m.*", { onGap: (gap) => (lost += gap.lost) });
  peer.reply((await peer.next())[1], null);
  const payload = new Uint8Array(1 << 20);
  for (let count = 0; count < 20; ++count) peer.send(17, 1, 0, "m.e", payload.subarray(0, 1000000));
  const ping = context.call("a.b");
  peer.reply((await peer.next())[1], 1);
  await ping;
  const loop = events[Symbol.asyncIterator]();
  let seen = 0;
  while (lost === 0) {
    const next = loop.next();
    if (seen === 8) peer.send(17, 1, 0, "m.e", payload.subarray(0, 10));
    await next;
    ++seen;
  }
  assert.deepEqual([seen, lost, events.lost], [9, 12, 12]);
});

test("lossless events are heard when the loop is done with them", async (t) => {
  const { peer, context } = await pair(t);
  const loop = context.events("m.*", { lossless: true })[Symbol.asyncIterator]();
  const listen = await peer.next();
  assert.equal(listen[4], 2);
  peer.reply(listen[1], null);
  peer.send(17, 1, 4, "m.ü", encode("1234"));
  await loop.next();
  const next = loop.next();
  assert.deepEqual(await peer.next(), [15, 1, 9]);
  peer.send(17, 1, 4, "m.e", encode("1234"));
  await next;
});

test("parts that wait keep their order and their bytes, whatever their sizes", async (t) => {
  const { peer, context } = await pair(t);
  const stream = context.streamRaw("a.parts", none, { windowBytes: 1 << 20, windowParts: 5000 });
  const [, id] = await peer.next();
  const sizes = [0, 1, 23, 24, 96, 97, 300, 5000, 16384, 16385, 40000];
  const part = (number) => new Uint8Array(number % 50 === 0 ? sizes[(number / 50) % sizes.length] : number % 7).fill(number);
  const loop = stream[Symbol.asyncIterator]();
  let sent = 0;
  let read = 0;
  while (read < 4000) {
    const ping = context.call("a.b");
    const ask = (await peer.nextOf(2))[1];
    for (let more = 0; more < 40 && sent < 4000; ++more) peer.send(16, id, Status.partial, part(sent++), "", none);
    peer.reply(ask, null);
    await ping; // so these parts have come
    for (let more = 0; more < (sent < 4000 ? 30 : 1000) && read < sent; ++more) {
      assert.deepEqual((await loop.next()).value, part(read++));
    }
  }
  peer.reply(id, 1);
  assert.equal((await loop.next()).done, true);
});

test("parts that were read are not kept", async (t) => {
  const { peer, context } = await pair(t);
  const stream = context.streamRaw("a.parts", none, { windowBytes: 4 << 20 });
  const [, id] = await peer.next();
  const loop = stream[Symbol.asyncIterator]();
  const part = new Uint8Array(500 << 10);
  const come = async () => {
    peer.send(16, id, Status.partial, part, "", none);
    const ping = context.call("a.b");
    peer.reply((await peer.nextOf(2))[1], null);
    await ping;
  };
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const held = () => {
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  await come();
  const before = held();
  for (let count = 0; count < 100; ++count) {
    await come(); // so there is always one that nobody has read
    assert.equal((await loop.next()).value.length, part.length);
  }
  const grown = held() - before;
  assert.ok(grown < 20 << 20, `${grown >> 20} MiB more than with one part`);
  stream.cancel();
});
