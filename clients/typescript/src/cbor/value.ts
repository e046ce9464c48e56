// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript values that stand for CBOR items of any type.

/** A number that is written as a float, also if it is integral: `new Float(1)` is `1.0` on the wire, `1` is the integer. */
export class Float {
  constructor(readonly value: number) {}
  valueOf(): number {
    return this.value;
  }
}

/** An item with a tag. The tags 2 and 3 (integers of any size) are read as bigint instead. */
export class Tagged {
  constructor(
    readonly tag: number | bigint,
    readonly value: Value,
  ) {}
}

/** A simple value other than false, true, null and undefined. */
export class Simple {
  constructor(readonly value: number) {}
}

/**
 * Any CBOR item.
 *
 * | CBOR | read as | written from |
 * |---|---|---|
 * | integer within ±(2^53 - 1) | number | an integral number, but not -0 |
 * | integer beyond | bigint | bigint |
 * | float | number | another number; `Float` |
 * | text, bytes | string, Uint8Array | the same |
 * | array | array | array |
 * | map whose keys are all text | object | object; members that are undefined are left out |
 * | other map | Map | Map |
 * | tag, simple value | `Tagged`, `Simple` | the same |
 */
export type Value =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Value[]
  | Map<Value, Value>
  | { [member: string]: Value }
  | Float
  | Tagged
  | Simple;

/** Bytes of the application. Those of another realm, such as a test runner's, count too. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value) && (value as Uint8Array)[Symbol.toStringTag] === "Uint8Array") return value as Uint8Array;
  throw new TypeError(`expected a Uint8Array, got ${value === null ? "null" : typeof value}`);
}

/** What is wrong with a value or with bytes, and where: `messages[2].delay_ms: expected int, got text`. */
export class Fault extends Error {
  override readonly name = "Fault";
  /** The path of the member, or empty. */
  path = "";

  constructor(readonly reason: string) {
    super(reason);
  }

  /** Puts a part in front of the path: a member's name, or an index in brackets. */
  within(part: string): this {
    this.path = this.path === "" || this.path.startsWith("[") ? part + this.path : `${part}.${this.path}`;
    this.message = `${this.path}: ${this.reason}`;
    return this;
  }
}

/** Adds a part of the path to a Fault, and gives back what was thrown. */
export function within(part: string, thrown: unknown): unknown {
  return thrown instanceof Fault ? thrown.within(part) : thrown;
}

/** The deepest nesting that is read and written. */
export const maxDepth = 64;

/** The name of a value's type, for messages. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (value instanceof Uint8Array) return "bytes";
  switch (typeof value) {
    case "string":
      return "text";
    case "number":
      return Number.isInteger(value) ? "int" : "float";
    case "bigint":
      return "int";
    case "boolean":
      return "bool";
    case "object":
      return "map";
    default:
      return typeof value;
  }
}
