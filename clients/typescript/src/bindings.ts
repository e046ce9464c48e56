// SPDX-License-Identifier: Apache-2.0
//
// What `backplane bindgen typescript` generates stands on this. Programs import from "@backplane/client" and from the
// generated files.
export type { CallOptions } from "./bound.js";
export type { Value } from "./cbor/value.js";
export type { Context } from "./context.js";
export { CallError } from "./errors.js";
export type { EventStream, Listener, ListenOptions } from "./events.js";
export type { Interface, InterfaceState } from "./expectations.js";
export type { Asked } from "./functions.js";
export { type CallShape, type CallType, callType, type Declared, detailed, Module } from "./module.js";
export type { Provided } from "./providers.js";
export type { ReplyStream } from "./stream.js";
export * from "./types/composed.js";
export * from "./types/scalars.js";
export * from "./types/struct.js";
export { Type } from "./types/type.js";
export type { Parts } from "./upload.js";
