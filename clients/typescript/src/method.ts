// SPDX-License-Identifier: Apache-2.0
//
// A wire name that is resolved once, for many calls without generated code.
import type { CallOptions } from "./bound.js";
import type { Value } from "./cbor/value.js";
import { emptyMap, type Invoker } from "./invoking.js";
import type { WireName } from "./methods.js";
import type { ReplyStream } from "./stream.js";
import type { Parts } from "./upload.js";

/**
 * A wire name as a handle of the host: calls have a number instead of the name, so both sides have less to do. After a
 * reconnect, and when the host refuses to resolve the name again, calls have the name until there is a new handle.
 */
export class Method {
  /** @internal */
  constructor(
    private readonly invoker: Invoker,
    private readonly wire: WireName,
  ) {}

  /** The wire name. */
  get name(): string {
    return this.wire.text;
  }

  /** As `Context.call`. */
  async call(request: Value = {}, options?: CallOptions): Promise<Value> {
    return this.invoker.call(this.wire, request, options);
  }

  /** As `Context.callRaw`. */
  async callRaw(request: Uint8Array = emptyMap, options?: CallOptions): Promise<Uint8Array> {
    return this.invoker.callRaw(this.wire, request, options);
  }

  /** As `Context.stream`. */
  stream(request: Value = {}, options?: CallOptions & { parts?: Parts<Value> }): ReplyStream<Value, Value> {
    return this.invoker.stream(this.wire, request, options);
  }

  /** As `Context.streamRaw`. */
  streamRaw(request: Uint8Array, options?: CallOptions & { parts?: Parts<Uint8Array> }): ReplyStream<Uint8Array, Uint8Array> {
    return this.invoker.streamRaw(this.wire, request, options);
  }
}
