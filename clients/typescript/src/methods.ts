// SPDX-License-Identifier: Apache-2.0
//
// Handles of wire names: the host resolves a name once, and calls then have a number instead of the name.
import { Reader } from "./cbor/reader.js";
import { Writer } from "./cbor/writer.js";
import type { Connection } from "./connection.js";
import { failure } from "./errors.js";
import { Frame } from "./frame.js";
import { Answer, type RequestEnd } from "./requests.js";
import { Status } from "./statuses.js";

let places = 0;

/** A wire name as calls have it, and its place in the handles of each connection. */
export class WireName {
  /** The CBOR text item. */
  readonly item: Uint8Array;
  /** -1: it gets no handle by itself. */
  readonly place: number;

  constructor(readonly text: string, withHandle = false) {
    const out = new Writer(text.length + 16);
    out.text(text);
    this.item = out.copy();
    this.place = withHandle ? places++ : -1;
  }
}

const firstCall = -2; // the host is asked with the second call of a name: a program that calls once asks nothing
const nextCall = -64; // after a refusal it is asked again with so many calls

/** The handles of one connection. Those of another host are others. */
export class Methods {
  /** By place: a handle; or below 0, after how many calls the host is asked; or 0: it is asked now. */
  private readonly handles: number[] = [];

  constructor(private readonly connection: Connection) {}

  /** The handle for a call that is made now; 0: call by name. */
  of(name: WireName): number {
    const { place } = name;
    if (place < 0) return 0;
    while (this.handles.length <= place) this.handles.push(firstCall);
    const handle = this.handles[place]!;
    if (handle >= 0) return handle;
    if ((this.handles[place] = handle + 1) === 0) this.find(name).catch(() => {});
    return 0;
  }

  /** Asks the host for the handle. Rejects if it gives none. */
  find(name: WireName): Promise<void> {
    const { place } = name;
    while (this.handles.length <= place) this.handles.push(firstCall);
    if (this.handles[place]! > 0) return Promise.resolve();
    this.handles[place] = 0;
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        if (this.handles[place] === 0) this.handles[place] = nextCall;
        reject(error);
      };
      const ended: RequestEnd = (status, bytes, start, end, message, detail) => {
        if (status !== Status.ok) return failed(failure(status, message, { detailBytes: detail }));
        const handle = readHandle(bytes, start, end);
        if (handle === undefined) return failed(failure(Status.bad_payload, "the host has answered without a method id"));
        this.handles[place] = handle;
        resolve();
      };
      try {
        this.connection.request(new Answer(ended, failed), Frame.resolve, 3, (out) => out.raw(name.item));
      } catch (thrown) {
        failed(thrown as Error);
      }
    });
  }
}

function readHandle(bytes: Uint8Array, start: number, end: number): number | undefined {
  try {
    const input = new Reader(bytes, false, start, end);
    const handle = input.int();
    input.finish();
    return typeof handle === "number" && handle > 0 ? handle : undefined;
  } catch {
    return undefined;
  }
}
