// SPDX-License-Identifier: Apache-2.0
//
// Host functions that a connection provides to a real host.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallError, Context, InterfaceChangedError } from "@backplane/client";
import { INTERFACE_CDDL, INTERFACE_HASH, Session } from "./generated/session.js";
import { host, modulePath, until } from "./support.mjs";

async function connect(t, running, options = {}) {
  const context = await Context.connect({ socketPath: running.socket, reconnect: { initial: 10, max: 50 }, ...options });
  t.after(() => context.close({ drain: 0 }));
  return context;
}

test("a module gets the answers of a host function, at once, later and failing", async (t) => {
  const context = await connect(t, await host(t, ["session"]));
  const session = new Session(context);
  await assert.rejects(session.login({ user_id: "ann" }), { name: "no_host_function" });
  const provided = await session.provideProfileFetch(({ user_id }, asked) => {
    assert.equal(asked.name, "profile.fetch");
    if (user_id === "later") return new Promise((resolve) => setTimeout(resolve, 5, { late: true }));
    if (user_id === "fail") throw new CallError(1234, "no such user", { detail: { user: user_id } });
    if (user_id === "throw") throw new TypeError("oh");
    return { id: user_id };
  });
  assert.deepEqual(await session.login({ user_id: 2n ** 64n - 1n }), { user_id: 2n ** 64n - 1n, profile: { id: 2n ** 64n - 1n } });
  assert.deepEqual((await session.login({ user_id: "later" })).profile, { late: true });
  await assert.rejects(session.login({ user_id: "fail" }), { status: 1234, message: "no such user", detail: { user: "fail" } });
  await assert.rejects(session.login({ user_id: "throw" }), { name: "exception", message: "oh" });
  const many = await Promise.all(Array.from({ length: 500 }, (_, at) => session.login({ user_id: `u${at}` })));
  assert.deepEqual(many.map(({ profile }) => profile.id), many.map((_, at) => `u${at}`));
  await provided.withdraw();
  await assert.rejects(session.login({ user_id: "ann" }), { name: "no_host_function" });
});

test("who answers learns that nobody waits", async (t) => {
  const context = await connect(t, await host(t, ["session"]));
  const session = new Session(context);
  let aborted = 0;
  await session.provideProfileFetch(
    (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(++aborted))),
  );
  await assert.rejects(session.login({ user_id: "a" }, { timeout: 50 }), { name: "deadline" });
  await until(() => aborted === 1);
});

test("a name has one provider, and a connection that goes takes its functions along", async (t) => {
  const running = await host(t, ["session"]);
  const [one, two] = [await connect(t, running), await connect(t, running)];
  await one.provide("profile.fetch", () => new Promise(() => {}));
  await assert.rejects(two.provide("profile.fetch", () => 2), { name: "name_taken" });
  const login = new Session(two).login({ user_id: "a" });
  const lost = assert.rejects(login, { name: "provider_lost" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await one.close({ drain: 0 });
  await lost;
  await two.provide("profile.fetch", () => 2);
  assert.equal((await new Session(two).login({ user_id: "a" })).profile, 2);
});

test("host functions come back with the host", async (t) => {
  const first = await host(t, ["session"]);
  const context = await connect(t, first);
  await context.provide("profile.fetch", () => "again");
  await first.kill();
  await until(() => !context.isConnected);
  await host(t, ["session"], { folder: first.folder });
  await until(() => context.isConnected);
  assert.equal((await new Session(context).login({ user_id: "a" })).profile, "again");
});

test("the host says what has changed in an interface", async (t) => {
  const context = await connect(t, await host(t, ["session"]));
  let built = 0;
  const expected = (cddl, hash = `${built++}`) => context.expect({ module: "session", version: "0.9.0", hash, cddl });
  const without = (pattern) => INTERFACE_CDDL.split("\n").filter((line) => !pattern.test(line)).join("\n");
  const changes = (report) => report.changes.map(({ what, where }) => [what, where]);

  const equal = expected("", INTERFACE_HASH); // the text is not needed
  await equal.gate();
  assert.deepEqual({ ...equal.state }, { module: "session", verdict: "equal", message: "", report: null });

  const compatible = expected(without(/logged_in/));
  await compatible.gate();
  assert.equal(compatible.state.verdict, "compatible");
  assert.match(compatible.state.message, /"session" has changed .* compatible/);
  assert.equal(compatible.state.report.verdict, "compatible");
  assert.deepEqual(changes(compatible.state.report), [["name added", "session.logged_in"]]);

  for (const [cddl, what, where, said] of [
    [`${INTERFACE_CDDL}session.gone.request = {}\nsession.gone.reply = null\n`, "name gone", "session.gone", /session\.gone/],
    [INTERFACE_CDDL.replace("profile: any }", "profile: any, since: uint64 }"), "required member gone", "LoggedIn.since", /LoggedIn\.since: the member "since" is gone/],
    [without(/^profile/), "call added", "profile.fetch", /profile\.fetch: the module calls it now/],
  ]) {
    const breaking = expected(cddl);
    await assert.rejects(breaking.gate(), (error) => {
      assert.ok(error instanceof InterfaceChangedError, error.message);
      assert.equal(error.name, "interface_changed");
      assert.match(error.message, said);
      assert.equal(error.detail.verdict, "breaks callers");
      assert.deepEqual(changes(error.detail), [[what, where]]);
      return true;
    });
    assert.equal(breaking.state.verdict, "breaks callers");
  }
});

test("a module that goes and comes is checked again", async (t) => {
  const changes = [];
  const context = await connect(t, await host(t, ["session"]), { onInterfaceChange: ({ verdict }) => changes.push(verdict) });
  const session = new Session(context);
  assert.equal((await session.checked()).verdict, "equal");
  await context.modules.unload("session");
  await until(() => changes.length === 1, "the check after the unload");
  assert.deepEqual(changes, ["not loaded"]);
  await context.modules.load(modulePath("session"));
  assert.equal((await session.checked()).verdict, "equal");
});
