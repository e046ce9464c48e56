// SPDX-License-Identifier: Apache-2.0
//
// Calls of echo.shout, and partial replies, in turns with the same bytes by hand.
//
//   node bench.mjs HOST_SOCKET ECHO_SERVER [C_CLIENT]
//
// It prints a JSON object for each row. `floor` is the same bytes in Node against a bare server in C, `by_hand` against
// the host: so `by_hand` against `floor` is the share of the host, and the row against `by_hand` that of the client.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { Context, encode } from "@backplane/client";
import { Bare, callFrame, callFrames, replyFrame, startServer } from "./bare.mjs";
import { Echo } from "./generated/echo.js";
import { Streams } from "./generated/streams.js";

const [, , hostSocket, echoServer, cClient] = process.argv;
const rounds = Number(process.env.ROUNDS ?? 9);
const inFlight = 64;
const partCount = 10000;
const partSize = 32;

const folder = mkdtempSync(join(tmpdir(), "bp-bench-"));
const servers = [];
process.on("exit", () => {
  for (const each of servers) each.kill();
  rmSync(folder, { recursive: true, force: true });
});
async function serve(name, ...how) {
  const path = join(folder, name);
  servers.push(await startServer(echoServer, path, ...how));
  return path;
}

async function oneByOne(call, count) {
  for (let at = 0; at < count; ++at) await call();
}

async function pipelined(batch, count) {
  for (let at = 0; at < count; at += inFlight) await batch();
}

/** How many a second, and the microseconds of processor time of each in this process. */
async function measure(task, count) {
  const before = process.cpuUsage();
  const begin = performance.now();
  await task(count);
  const perSecond = (count * 1000) / (performance.now() - begin);
  const { user, system } = process.cpuUsage(before);
  return { perSecond, cpu: (user + system) / count };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const rounded = (value) => Number(value.toFixed(2));

/** Rounds of all ways in turns: the medians, and how many times slower than the floor each is. */
async function compare(name, count, ways) {
  const names = Object.keys(ways);
  const seen = Object.fromEntries(names.map((way) => [way, []]));
  for (let round = -1; round < rounds; ++round) {
    for (const way of names) {
      const value = await measure(ways[way], count);
      if (round >= 0) seen[way].push(value); // the first one warms up
    }
  }
  const ratio = (slow, fast) => rounded(median(seen[slow].map((value, at) => seen[fast][at].perSecond / value.perSecond)));
  const line = { name, ratio: ratio("client", "floor"), ratio_of_host: ratio("by_hand", "floor"), ratio_of_client: ratio("client", "by_hand") };
  for (const way of names) line[way] = Math.round(median(seen[way].map((value) => value.perSecond)));
  for (const way of names) line[`${way}_cpu_us`] = rounded(median(seen[way].map((value) => value.cpu)));
  console.log(JSON.stringify(line));
}

async function measureCalls(context) {
  const echo = new Echo(context);
  const value = { text: "hello world, this is a text of some forty bytes" };
  const payload = encode(value);
  const answer = replyFrame(encode(await echo.shout(value)));
  const one = callFrame("echo.shout", payload);
  const all = callFrames("echo.shout", payload, inFlight);
  if (cClient) {
    const bare = await serve("c", one.length, answer);
    const sizes = [String(one.length), String(answer.length)];
    process.stdout.write(execFileSync(cClient, [hostSocket, bare, ...sizes, "echo.shout", Buffer.from(payload).toString("hex")]));
  }
  const floor = await Bare.open(await serve("calls", one.length, answer), answer.length);
  const byHand = await Bare.open(hostSocket, answer.length, true);
  const shout = () => echo.shout(value);
  await compare("echo.shout, one by one", 2000, {
    floor: (count) => oneByOne(() => floor.call(one), count),
    by_hand: (count) => oneByOne(() => byHand.call(one), count),
    client: (count) => oneByOne(shout, count),
  });
  await compare(`echo.shout, ${inFlight} at once`, inFlight * 100, {
    floor: (count) => pipelined(() => floor.many(all, inFlight), count),
    by_hand: (count) => pipelined(() => byHand.many(all, inFlight), count),
    client: (count) => pipelined(() => Promise.all(Array.from({ length: inFlight }, shout)), count),
  });
  floor.socket.destroy();
  byHand.socket.destroy();
}

async function measureParts(context) {
  const streams = new Streams(context);
  const value = { parts: BigInt(partCount), size: BigInt(partSize), wait_ms: 0n };
  const loop = streams.send(value)[Symbol.asyncIterator]();
  for (let at = 0; at < 300; ++at) await loop.next(); // the number in a part has as many bytes as in most parts
  const part = replyFrame(encode((await loop.next()).value), 4);
  await loop.return();
  const stream = streams.send({ ...value, parts: 1n });
  const answer = replyFrame(encode(await stream.reply()));
  const one = callFrame("streams.send", encode({ parts: partCount, size: partSize, wait_ms: 0 }));
  const floor = await Bare.open(await serve("parts", one.length, answer, partCount, part), part.length);
  const frames = Array.from({ length: partCount }, (_, number) => replyFrame(encode({ number, data: "x".repeat(partSize) }), 4).length);
  const byHand = await Bare.open(hostSocket, frames.reduce((sum, each) => sum + each, answer.length), true);
  await compare("partial replies", partCount, {
    floor: (count) => floor.parts(one, count, answer.length),
    by_hand: () => byHand.call(one),
    client: async (count) => {
      let seen = 0;
      for await (const _ of streams.send(value)) ++seen;
      if (seen !== count) throw new Error(`found ${seen} parts; expected ${count}`);
    },
  });
  floor.socket.destroy();
  byHand.socket.destroy();
}

const context = await Context.connect({ socketPath: hostSocket });
await measureCalls(context);
await measureParts(context);
await context.close();
process.exit(0);
