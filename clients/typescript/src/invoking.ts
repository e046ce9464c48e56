// SPDX-License-Identifier: Apache-2.0
//
// How calls are made, by generated code and with plain values.
import { abortedBefore, Bound, type CallOptions, dueOf, timeoutOf } from "./bound.js";
import { encode as encodeValue, readAny } from "./cbor/any.js";
import { Reader } from "./cbor/reader.js";
import { bytesOf, type Value } from "./cbor/value.js";
import type { Writer } from "./cbor/writer.js";
import { type Reading, SingleCall, StreamCall } from "./calls.js";
import type { Connection } from "./connection.js";
import { asFailure, failure } from "./errors.js";
import { defaultWindow, Flag, largestWindow } from "./frame.js";
import type { Link } from "./link.js";
import { WireName } from "./methods.js";
import { Status } from "./statuses.js";
import { ReplyStream } from "./stream.js";
import { type Parts, sendParts } from "./upload.js";

/** The further parts of a request. */
export interface Sending<Sent> {
  readonly source: Parts<Sent>;
  readonly encode: (part: Sent) => Uint8Array;
}

/** A call with partial replies, ready to be sent. */
export interface Prepared<Part, Reply, Sent = never> {
  readonly name: WireName;
  /** It is copied when the call is sent. */
  readonly payload: Uint8Array;
  readonly reading: Reading<Part, Reply>;
  readonly parts?: Sending<Sent>;
}

export const emptyMap: Uint8Array = Uint8Array.of(0xa0);
const mostUnread = 64 << 20; // bytes of parts that wait here, of a host that takes no credit
const unfit = "the answer has another form than expected: ";

/** Makes the calls of a context, on whichever connection it has. */
export class Invoker {
  constructor(private readonly link: Link) {}

  call(name: WireName, request: Value, options?: CallOptions): Promise<Value> {
    return this.invoke(name, payloadOf(request), anyReading, options);
  }

  callRaw(name: WireName, request: Uint8Array, options?: CallOptions): Promise<Uint8Array> {
    return this.invoke(name, request, rawReading, options);
  }

  stream(name: WireName, request: Value, options?: CallOptions & { parts?: Parts<Value> }): ReplyStream<Value, Value> {
    const parts = options?.parts && { parts: { source: options.parts, encode: payloadOf } };
    const prepare = async (): Promise<Prepared<Value, Value, Value>> => ({
      name,
      payload: payloadOf(request),
      reading: anyReading,
      ...parts,
    });
    return this.invokeStream(prepare(), options);
  }

  streamRaw(name: WireName, request: Uint8Array, options?: CallOptions & { parts?: Parts<Uint8Array> }): ReplyStream<Uint8Array, Uint8Array> {
    const parts = options?.parts && { parts: { source: options.parts, encode: bytesOf } };
    const prepared = Promise.resolve({ name, payload: request, reading: rawReading, ...parts });
    return this.invokeStream<Uint8Array, Uint8Array, Uint8Array>(prepared, options);
  }

  /** A call with one answer. The payload is copied before this returns. It throws if the call cannot be sent. */
  invoke<Reply, Sent = never>(
    name: WireName,
    payload: Uint8Array | Writer,
    reading: Reading<unknown, Reply>,
    options?: CallOptions,
    parts?: Sending<Sent>,
  ): Promise<Reply> {
    const { connection } = this.link;
    const made = new SingleCall<Reply>(connection, reading);
    begin(made, connection, name, payload, Flag.callNoStale, options, parts);
    return made.promise;
  }

  /** A call with partial replies. */
  invokeStream<Part, Reply, Sent>(
    prepared: Promise<Prepared<Part, Reply, Sent>>,
    options?: CallOptions,
  ): ReplyStream<Part, Reply> {
    const begun = prepared.then(({ name, payload, reading, parts }) => {
      const bytes = windowOf("windowBytes", options?.windowBytes, defaultWindow.bytes, largestWindow.bytes);
      const most = windowOf("windowParts", options?.windowParts, defaultWindow.parts, largestWindow.parts);
      const { connection } = this.link;
      if (connection.has("credit")) {
        const window = { bytes, parts: most };
        const made = new StreamCall<Part, Reply>(connection, reading, { ...window, credit: true });
        begin(made, connection, name, payload, Flag.callNoStale | Flag.callCredit, options, parts, window);
        return made;
      }
      const made = new StreamCall<Part, Reply>(connection, reading, { bytes: mostUnread, parts: Infinity, credit: false });
      begin(made, connection, name, payload, Flag.callNoStale, options, parts);
      return made;
    });
    return new ReplyStream(begun);
  }
}

function begin<Sent>(
  made: SingleCall<any> | StreamCall<any, any>,
  connection: Connection,
  name: WireName,
  payload: Uint8Array | Writer,
  flags: number,
  options: CallOptions | undefined,
  parts: Sending<Sent> | undefined,
  window?: { bytes: number; parts: number },
): void {
  if (options !== undefined) {
    const aborted = options.signal && abortedBefore(options.signal);
    if (aborted) throw aborted;
    made.timeout = timeoutOf(options);
    made.due = dueOf(made.timeout);
  }
  if (parts) {
    if (!connection.has("parts")) throw failure(Status.not_supported, "this host takes no requests in parts");
    flags |= Flag.callParts;
  }
  made.id = connection.call(made, name, payload, made.timeout, flags, window);
  if (options?.signal) made.bound = new Bound(options.signal, () => made.cancel());
  if (parts) void sendParts(connection, made, parts.source, parts.encode);
}

function windowOf(name: string, value: number | undefined, normal: number, most: number): number {
  if (value === undefined || value === 0) return normal;
  if (Number.isInteger(value) && value > 0 && value <= most) return value;
  throw failure(Status.invalid_argument, `${name}: expected 1 to ${most}, got ${value}`);
}

export function payloadOf(value: Value): Uint8Array {
  try {
    return encodeValue(value);
  } catch (thrown) {
    throw asFailure(thrown, "");
  }
}

export function readValue(bytes: Uint8Array, start: number, end: number): Value {
  const input = new Reader(bytes, false, start, end);
  try {
    const value = readAny(input);
    input.finish();
    return value;
  } catch (thrown) {
    throw asFailure(thrown, unfit);
  }
}

function readBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes.slice(start, end);
}

const anyReading: Reading<Value, Value> = { reply: readValue, part: readValue };
const rawReading: Reading<Uint8Array, Uint8Array> = { reply: readBytes, part: readBytes };
