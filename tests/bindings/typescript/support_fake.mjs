// SPDX-License-Identifier: Apache-2.0
//
// A host that does what a test says, also what no host may do.
import { createServer } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Context, decode, encode } from "@backplane/client";
import { newDirectory } from "./support.mjs";

export const hello = (features = ["credit", "parts", "lossless", "expect", "provide"], more = {}) =>
  [1, "backplane", 1, "0.1.0", 1, more.maxFrame ?? 1 << 20, 1, features, more.windowBytes ?? 0, more.windowParts ?? 0];

export function frame(items) {
  const body = encode(items);
  const out = new Uint8Array(4 + body.length);
  new DataView(out.buffer).setUint32(0, body.length);
  out.set(body, 4);
  return out;
}

class Peer {
  frames = [];
  closed = false;
  #waiting = [];
  #input = Buffer.alloc(0);

  constructor(socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      while (this.#input.length >= 4 && this.#input.length >= 4 + this.#input.readUInt32BE(0)) {
        const end = 4 + this.#input.readUInt32BE(0);
        this.#take(decode(new Uint8Array(this.#input.subarray(4, end))));
        this.#input = this.#input.subarray(end);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      for (const each of this.#waiting.splice(0)) each.reject(new Error("the client closed the connection"));
    });
  }

  #take(items) {
    const next = this.#waiting.shift();
    if (next) next.resolve(items);
    else this.frames.push(items);
  }

  /** The next frame of the client. */
  next() {
    if (this.frames.length > 0) return Promise.resolve(this.frames.shift());
    if (this.closed) return Promise.reject(new Error("the client closed the connection"));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The next frame of a type; others before it are left out. */
  async nextOf(type) {
    for (;;) {
      const items = await this.next();
      if (items[0] === type) return items;
    }
  }

  send(...items) {
    this.socket.write(frame(items));
  }

  bytes(bytes) {
    this.socket.write(bytes);
  }

  reply(id, value, status = 0) {
    this.send(16, id, status, encode(value), "", new Uint8Array(0));
  }

  fail(id, status, message = "", detail = new Uint8Array(0)) {
    this.send(16, id, status, new Uint8Array(0), message, detail);
  }
}

/** A socket on which peers connect. `peer()` is the next one. */
export async function fakeSocket(t) {
  const folder = newDirectory();
  const path = join(folder, "fake.sock");
  const waiting = [];
  const come = [];
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    const peer = new Peer(socket);
    const next = waiting.shift();
    if (next) next(peer);
    else come.push(peer);
  });
  await new Promise((resolve) => server.listen(path, resolve));
  t.after(() => {
    for (const each of sockets) each.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    path,
    peer: () => (come.length > 0 ? Promise.resolve(come.shift()) : new Promise((resolve) => waiting.push(resolve))),
  };
}

/** A context that is connected to a fake host. */
export async function pair(t, options = {}) {
  const socket = await fakeSocket(t);
  const connecting = Context.connect({ socketPath: socket.path, reconnect: false, ...options.client });
  const peer = await socket.peer();
  const greeting = await peer.next();
  peer.bytes(frame(options.hello ?? hello()));
  const context = await connecting;
  t.after(() => context.close({ drain: 0 }));
  return { socket, peer, context, greeting };
}
