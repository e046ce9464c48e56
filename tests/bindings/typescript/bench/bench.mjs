// SPDX-License-Identifier: Apache-2.0
//
// Calls of echo.shout and a bare request and reply of the same bytes, in turns; partial replies per second.
//
//   node bench.mjs HOST_SOCKET ECHO_SERVER [--json]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Context, encode } from "@backplane/client";
import { Echo } from "./generated/echo.js";
import { Streams } from "./generated/streams.js";

const [, , hostSocket, echoServer, format] = process.argv;
const rounds = 7;
const inFlight = 64;
const request = { text: "hello world, this is a text of some forty bytes" };

const context = await Context.connect({ socketPath: hostSocket });
const echo = new Echo(context);
const reply = await echo.shout(request);
const frameOf = (items) => 4 + encode(items).length;
const requestSize = frameOf([2, 100000, "echo.shout", encode(request), 0, 1]);
const replySize = frameOf([16, 100000, 0, encode(reply), "", new Uint8Array(0)]);

const folder = mkdtempSync(join(tmpdir(), "bp-bench-"));
const server = spawn(echoServer, [join(folder, "s"), String(requestSize), String(replySize)], { stdio: ["ignore", "pipe", "inherit"] });
await new Promise((resolve) => server.stdout.once("data", resolve));

/** The bare way: bytes out, and as many bytes in as an answer has. */
class Bare {
  #waiting = [];
  #have = 0;
  #bytes = new Uint8Array(requestSize);

  static open() {
    return new Promise((resolve) => {
      const bare = new Bare();
      bare.socket = connect({
        path: join(folder, "s"),
        onread: {
          buffer: new Uint8Array(1 << 16),
          callback: (length) => {
            bare.#have += length;
            for (; bare.#have >= replySize; bare.#have -= replySize) bare.#waiting.shift()();
            return true;
          },
        },
      });
      bare.socket.on("connect", () => resolve(bare));
    });
  }

  call() {
    this.socket.write(this.#bytes);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What a client may do at best: requests that are made at the same time leave together. */
  many(count) {
    this.socket.write(new Uint8Array(requestSize * count));
    return Promise.all(Array.from({ length: count }, () => new Promise((resolve) => this.#waiting.push(resolve))));
  }
}

const bare = await Bare.open();

async function oneByOne(call, count) {
  for (let at = 0; at < count; ++at) await call();
}

async function pipelined(call, count) {
  for (let at = 0; at < count; at += inFlight) await Promise.all(Array.from({ length: inFlight }, call));
}

async function perSecond(task, count) {
  const begin = performance.now();
  await task(count);
  return (count * 1000) / (performance.now() - begin);
}

const median = (values) => values.toSorted?.((a, b) => a - b)[values.length >> 1] ?? [...values].sort((a, b) => a - b)[values.length >> 1];

/** Rounds of the row and of its floor in turns; the medians, and how much slower the row is. */
async function compare(name, row, floor, count) {
  const rows = [];
  const floors = [];
  await row(count);
  await floor(count);
  for (let round = 0; round < rounds; ++round) {
    floors.push(await perSecond(floor, count));
    rows.push(await perSecond(row, count));
  }
  const ratios = rows.map((value, at) => floors[at] / value);
  return { name, per_second: Math.round(median(rows)), floor: Math.round(median(floors)), ratio: Number(median(ratios).toFixed(2)) };
}

const shout = () => echo.shout(request);
const results = [
  await compare("echo.shout, one by one", (count) => oneByOne(shout, count), (count) => oneByOne(() => bare.call(), count), 3000),
  await compare(
    `echo.shout, ${inFlight} at once`,
    (count) => pipelined(shout, count),
    async (count) => {
      for (let at = 0; at < count; at += inFlight) await bare.many(inFlight);
    },
    inFlight * 100,
  ),
];
const streams = new Streams(context);
const parts = [];
for (let round = 0; round < rounds; ++round) {
  parts.push(
    await perSecond(async (count) => {
      let seen = 0;
      for await (const _ of streams.send({ parts: BigInt(count), size: 32n, wait_ms: 0n })) ++seen;
      if (seen !== count) throw new Error(`${seen} parts`);
    }, 20000),
  );
}
results.push({ name: "partial replies", per_second: Math.round(median(parts)) });

if (format === "--json") console.log(JSON.stringify(results));
else for (const each of results) console.log(`${each.name.padEnd(26)} ${String(each.per_second).padStart(8)}/s${each.floor ? `  floor ${each.floor}/s, ${each.ratio}x` : ""}`);
bare.socket.destroy();
await context.close();
server.kill();
rmSync(folder, { recursive: true });
