// SPDX-License-Identifier: Apache-2.0
//
// What generated code knows of a type: how its values are written and read. Requests are checked completely before they
// are sent. Answers are read leniently: unknown members are ignored, unless the reader is strict.
import { asFailure } from "../errors.js";
import { Reader } from "../cbor/reader.js";
import { Fault, kindOf, within } from "../cbor/value.js";
import { Writer } from "../cbor/writer.js";

/** Sets of CBOR types, of which one decides between the alternatives of a choice. */
export const Kind = {
  int: 1,
  bytes: 2,
  text: 4,
  list: 8,
  map: 16,
  bool: 32,
  null: 64,
  float: 128,
  other: 256,
  all: 511,
} as const;

const kindNames = ["int", "bytes", "text", "list", "map", "bool", "null", "float", "any"];

export function namesOf(kinds: number): string {
  if (kinds === Kind.all) return "any";
  return kindNames.filter((_, bit) => kinds & (1 << bit)).join(" or ");
}

const shared = new Writer(1024);
let sharedInUse = false;
let idle: Reader | undefined;

export abstract class Type<T> {
  /** The CBOR types of its values. */
  abstract readonly kinds: number;
  /** What is expected, for messages. */
  abstract readonly what: string;
  /** @internal Writes a value, or throws a Fault. */
  abstract write(out: Writer, value: T): void;
  /** @internal Reads a value, or throws a Fault. */
  abstract read(input: Reader): T;

  /** The CBOR of a value. It throws a CallError with the status `bad_payload` if the value does not fit. */
  encode(value: T): Uint8Array {
    return this.encodeShared(value).copy();
  }

  /** @internal The same, in memory that the next value takes. */
  encodeShared(value: T): Writer {
    // A getter of the value may encode another one meanwhile.
    const out = sharedInUse ? new Writer(256) : shared;
    const outer = sharedInUse;
    sharedInUse = true;
    try {
      out.reset();
      this.write(out, value);
      return out;
    } catch (thrown) {
      throw asFailure(thrown, "");
    } finally {
      sharedInUse = outer;
    }
  }

  /** The value of one CBOR item. Unknown members are ignored, unless it is `strict`. */
  decode(bytes: Uint8Array, options: { strict?: boolean } = {}): T {
    return this.decodeAt(bytes, 0, bytes.length, options.strict ?? false, "");
  }

  /** @internal */
  decodeAt(bytes: Uint8Array, start: number, end: number, strict: boolean, before: string): T {
    // Reading runs no code of the application, so one reader is enough; but a reader may make values through another.
    const input = idle ?? new Reader(bytes);
    idle = undefined;
    try {
      input.use(bytes, start, end);
      input.strict = strict;
      const value = this.read(input);
      input.finish();
      return value;
    } catch (thrown) {
      throw asFailure(thrown, before);
    } finally {
      idle = input;
    }
  }

  /** @internal */
  wrong(value: unknown): Fault {
    return value === undefined ? new Fault(`missing, expected ${this.what}`) : new Fault(`expected ${this.what}, got ${kindOf(value)}`);
  }
}

/** The CBOR type of the next item, behind its tags. */
export function kindAt(input: Reader): number {
  const { at } = input;
  input.item();
  input.at = at;
  switch (input.major) {
    case 0:
    case 1:
      return Kind.int;
    case 2:
      return Kind.bytes;
    case 3:
      return Kind.text;
    case 4:
      return Kind.list;
    case 5:
      return Kind.map;
  }
  if (input.info === 20 || input.info === 21) return Kind.bool;
  if (input.info === 22) return Kind.null;
  return input.info >= 25 && input.info <= 27 ? Kind.float : Kind.other;
}

/** The CBOR types that a value of JavaScript may become. */
export function kindOfValue(value: unknown): number {
  switch (typeof value) {
    case "string":
      return Kind.text;
    case "bigint":
      return Kind.int;
    case "number":
      return Number.isInteger(value) ? Kind.int | Kind.float : Kind.float;
    case "boolean":
      return Kind.bool;
    case "object":
      if (value === null) return Kind.null;
      if (value instanceof Uint8Array) return Kind.bytes;
      return Array.isArray(value) ? Kind.list : Kind.map;
    default:
      return Kind.other;
  }
}

export { Fault, Reader, within, Writer };
