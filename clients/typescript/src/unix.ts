// SPDX-License-Identifier: Apache-2.0
//
// The transport of Node: the Unix socket of a host.
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import type { ByteStream, Sink, Transport } from "./transport.js";

const inputSize = 1 << 16; // bytes that one read takes at most
const closeTime = 1000; // milliseconds in which a peer must take the rest of the output

/** The path of the host's socket if none is named. */
export function defaultSocketPath(): string {
  const { BACKPLANE_SOCKET, XDG_RUNTIME_DIR } = process.env;
  if (BACKPLANE_SOCKET) return BACKPLANE_SOCKET;
  if (XDG_RUNTIME_DIR) return `${XDG_RUNTIME_DIR}/backplane/backplane.sock`;
  return `${tmpdir()}/backplane-${process.getuid?.() ?? 0}/backplane.sock`;
}

const done = Promise.resolve();

class SocketStream implements ByteStream {
  private kept = false;
  /** The bytes as Node has them. Calls mostly have one length, and their memory stays. */
  private view: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly socket: Socket,
    private readonly sink: Sink,
  ) {}

  private readonly written = (): void => {
    if (!this.kept || this.socket.writableLength !== 0) return;
    this.kept = false;
    this.sink.drained();
  };

  write(bytes: Uint8Array, length: number): boolean {
    if (this.view.length !== length || this.view.buffer !== bytes.buffer) {
      this.view = Buffer.from(bytes.buffer, bytes.byteOffset, length);
    }
    this.socket.write(this.view, this.written);
    // Node tries to write at once. What is left then refers to the memory.
    this.kept = this.socket.writableLength !== 0;
    return !this.kept;
  }

  close(): void {
    this.socket.end();
    const { socket } = this;
    const timer = setTimeout(() => socket.destroy(), closeTime);
    socket.on("close", () => clearTimeout(timer));
  }
}

/** The transport to the Unix socket at `path`. */
export function unixTransport(path: string = defaultSocketPath()): Transport {
  return {
    address: path,
    pid: process.pid,
    defer: (task) => void done.then(task),
    later: (task) => setImmediate(task),
    open: (sink) =>
      new Promise((resolve, reject) => {
        let why = "the host closed the connection";
        let open = false;
        const socket = connect({
          path,
          onread: {
            buffer: new Uint8Array(inputSize),
            callback: (length, buffer) => {
              sink.data(buffer, length);
              return true;
            },
          },
        });
        socket.on("connect", () => {
          open = true;
          resolve(new SocketStream(socket, sink));
        });
        socket.on("error", (error) => {
          why = error.message;
        });
        socket.on("close", () => {
          if (open) sink.closed(why);
          else reject(new Error(why));
        });
      }),
  };
}
