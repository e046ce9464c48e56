// SPDX-License-Identifier: Apache-2.0
//
// Real hosts, on sockets of their own.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const build = process.env.BACKPLANE_BUILD;
export const modulePath = (name) =>
  name === "forms"
    ? `${build}/tests/bindings/modules/forms.so`
    : ["echo", "generator", "kv", "session", "timer"].includes(name)
      ? `${build}/plugins/${name}.so`
      : `${build}/tests/modules/${name}.so`;

export function newDirectory() {
  return mkdtempSync(join(tmpdir(), "bp-ts-"));
}

const children = new Map(); // by folder: what must end before the folder goes

/** `backplane run` with modules, ready. It ends with the test. */
export async function host(t, modules, options = {}) {
  const folder = options.folder ?? newDirectory();
  const socket = join(folder, "host.sock");
  const arguments_ = ["run", "--socket", socket, "--data-dir", join(folder, "data"), "--no-trial"];
  for (const module of modules) arguments_.push("--module", modulePath(module));
  if (options.config) arguments_.push("--config", options.config);
  const child = spawn(`${build}/bin/backplane`, arguments_, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  let log = "";
  await new Promise((resolve, reject) => {
    child.stderr.on("data", (chunk) => {
      log += chunk;
      if (log.includes("run: ready on")) resolve();
    });
    child.on("exit", (code) => reject(new Error(`the host ended with ${code}:\n${log}`)));
    child.on("error", reject);
  });
  const made = {
    folder,
    socket,
    pid: child.pid,
    log: () => log,
    kill: async (signal = "SIGKILL") => {
      child.kill(signal);
      await ended;
    },
  };
  if (!children.has(folder)) children.set(folder, []);
  children.get(folder).push(made);
  t.after(async () => {
    for (const each of children.get(folder)) await each.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return made;
}

/** Waits until something is true; the test's own time limit is the bound. */
export async function until(condition, what = "the condition") {
  const end = Date.now() + 20000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what} did not come true`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
