// SPDX-License-Identifier: Apache-2.0
//
// Module operations and reports. docs/protocol.md describes the reports. What an application gives is read before a frame is
// begun: a getter may send one.
import { timeoutOf } from "./bound.js";
import { encode, readAny } from "./cbor/any.js";
import { Reader } from "./cbor/reader.js";
import type { Value } from "./cbor/value.js";
import type { Writer } from "./cbor/writer.js";
import { asFailure, failure } from "./errors.js";
import { Frame } from "./frame.js";
import type { Link } from "./link.js";
import { Answer, type RequestEnd } from "./requests.js";
import { Status } from "./statuses.js";

const utf8 = new TextEncoder();
const none = new Uint8Array(0);

export class Management {
  /** @internal */
  constructor(private readonly link: Link) {}

  /** The modules of the host, as a module-list. */
  async list(): Promise<Value> {
    return (await this.request(Frame.list, 2, () => {})).value;
  }

  /** The status-report of the host. */
  async status(): Promise<Value> {
    return (await this.request(Frame.status, 2, () => {})).value;
  }

  /** Loads a module from a file of the host's machine; gives back the load-report. */
  async load(path: string, options: { config?: Value } = {}): Promise<Value> {
    const [file, config] = [absolute(path), configOf(options.config)];
    const { value } = await this.request(Frame.load, 4, (out) => {
      out.byteString(file);
      out.byteString(config);
    });
    return value;
  }

  /** Unloads a module; gives back the unload-report. */
  async unload(module: string, options: { timeout?: number } = {}): Promise<Value> {
    const timeout = timeoutOf(options);
    const { value } = await this.request(Frame.unload, 4, (out) => {
      out.text(module);
      out.int(timeout);
    });
    return value;
  }

  /** Reloads a module, from its present file unless another one is named; gives back the reload-report. */
  async reload(module: string, options: { path?: string; config?: Value; timeout?: number } = {}): Promise<Value> {
    const { path } = options;
    const file = path === undefined ? none : absolute(path);
    const [config, timeout] = [configOf(options.config), timeoutOf(options)];
    const { value } = await this.request(Frame.reload, 6, (out) => {
      out.text(module);
      out.byteString(file);
      out.byteString(config);
      out.int(timeout);
    });
    return value;
  }

  /** Asks the host to stop. */
  async stop(): Promise<void> {
    await this.request(Frame.stop, 2, () => {});
  }

  /** @internal Sends a frame whose answer has a CBOR item, or nothing. */
  request(type: number, items: number, write: (out: Writer) => void): Promise<{ value: Value; message: string }> {
    return new Promise((resolve, reject) => {
      const ended: RequestEnd = (status, bytes, start, end, message, detail) => {
        if (status !== Status.ok) return reject(failure(status, message, { detailBytes: detail }));
        try {
          if (start === end) return resolve({ value: undefined, message });
          const input = new Reader(bytes, false, start, end);
          const value = readAny(input);
          input.finish();
          resolve({ value, message });
        } catch (thrown) {
          reject(asFailure(thrown, "the report has another form than expected: "));
        }
      };
      this.link.connection.request(new Answer(ended, reject), type, items, write);
    });
  }
}

function absolute(path: string): Uint8Array {
  if (!path.startsWith("/")) {
    throw failure(Status.invalid_argument, `path: expected an absolute path, got ${path}; the host has a working directory of its own`);
  }
  return utf8.encode(path);
}

function configOf(config: Value): Uint8Array {
  return config === undefined ? none : encode(config);
}
