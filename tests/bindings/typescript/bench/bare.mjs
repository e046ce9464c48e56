// SPDX-License-Identifier: Apache-2.0
//
// The floor in Node: bytes go out, and so many bytes come in. Nothing is made of them but promises.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { encode } from "@backplane/client";

const firstId = 100000; // ids of one width, so that all frames of a row have one size
const none = new Uint8Array(0);

export function frame(items) {
  const body = encode(items);
  const out = new Uint8Array(4 + body.length);
  new DataView(out.buffer).setUint32(0, body.length);
  out.set(body, 4);
  return out;
}

export const callFrame = (name, payload, id = firstId) => frame([2, id, name, payload, 0, 1]);
export const replyFrame = (payload, status = 0) => frame([16, firstId, status, payload, "", none]);

/** Many calls at once, each with an id of its own: a host takes them as they are. */
export function callFrames(name, payload, count) {
  return Buffer.concat(Array.from({ length: count }, (_, at) => callFrame(name, payload, firstId + at)));
}

/** A bare server in C that answers requests with these frames. */
export async function startServer(program, path, requestSize, answer, parts = 0, part = answer) {
  const hex = (bytes) => Buffer.from(bytes).toString("hex");
  const more = parts > 0 ? [String(parts), hex(part)] : [];
  const server = spawn(program, [path, String(requestSize), hex(answer), ...more], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => server.stdout.once("data", resolve));
  return server;
}

export class Bare {
  #waiting = [];
  #have = 0;
  #size;

  /** @param size how many bytes an answer has; @param greet whether the peer is a real host, which wants a hello */
  static async open(path, size, greet = false) {
    const bare = new Bare();
    let greeted;
    const hello = new Promise((resolve) => (greeted = resolve));
    bare.#size = size;
    await new Promise((resolve, reject) => {
      bare.socket = connect({
        path,
        onread: {
          buffer: new Uint8Array(1 << 16),
          callback: (length) => {
            if (greet) {
              greet = false;
              greeted();
            } else {
              bare.#take(length);
            }
            return true;
          },
        },
      });
      bare.socket.on("connect", resolve);
      bare.socket.on("error", reject);
    });
    if (greet) {
      bare.socket.write(frame([1, "backplane", 1, "0.1.0", 1, 67108864]));
      await hello;
    }
    return bare;
  }

  #take(length) {
    this.#have += length;
    for (; this.#have >= this.#size && this.#waiting.length > 0; this.#have -= this.#size) this.#waiting.shift()();
  }

  next() {
    if (this.#have >= this.#size) {
      this.#have -= this.#size;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  call(bytes) {
    this.socket.write(bytes);
    return this.next();
  }

  /** What a client may do at best: requests that are made at the same time leave together. */
  many(bytes, count) {
    this.socket.write(bytes);
    return Promise.all(Array.from({ length: count }, () => this.next()));
  }

  /** An answer of many parts, and how long its last frame is. */
  async parts(bytes, count, last) {
    this.socket.write(bytes);
    for (let at = 0; at < count; ++at) await this.next();
    const { size } = this;
    this.#size = last;
    await this.next();
    this.#size = size;
  }

  get size() {
    return this.#size;
  }
}
