// SPDX-License-Identifier: Apache-2.0
export { decode, encode } from "./cbor/any.js";
export { Fault, Float, Simple, Tagged, type Value } from "./cbor/value.js";
export type { CallOptions } from "./bound.js";
export type { HostInfo } from "./connection.js";
export { type ConnectOptions, Context } from "./context.js";
export {
  CallError,
  CanceledError,
  DeadlineError,
  InterfaceChangedError,
  UnreachableError,
} from "./errors.js";
export { EventStream, type Gap, type HostEvent, type Listener, type ListenOptions } from "./events.js";
export type { Interface, InterfaceState } from "./expectations.js";
export type { Asked, RawFunction } from "./functions.js";
export type { ConnectionState, Reconnect } from "./link.js";
export type { Management } from "./management.js";
export type { Method } from "./method.js";
export type { Provided } from "./providers.js";
export { Status, statusName } from "./statuses.js";
export { ReplyStream } from "./stream.js";
export type { ByteStream, Sink, Transport } from "./transport.js";
export { defaultSocketPath, unixTransport } from "./unix.js";
export type { Parts } from "./upload.js";
export { version } from "./version.js";
