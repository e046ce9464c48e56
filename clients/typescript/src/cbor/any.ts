// SPDX-License-Identifier: Apache-2.0
//
// Items of any type, as values of JavaScript.
import { Reader } from "./reader.js";
import { Fault, Float, kindOf, maxDepth, Simple, Tagged, type Value, within } from "./value.js";
import { Writer } from "./writer.js";

const longestInteger = 1024; // bytes of an integer with tag 2 or 3; a longer one stays Tagged

/** Writes a value. It throws a Fault for what has no CBOR, such as a function. */
export function writeAny(out: Writer, value: Value, depth = 0): void {
  switch (typeof value) {
    case "string":
      return out.text(value);
    case "number":
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? out.int(value) : out.float64(value);
    case "bigint":
      return out.bigint(value);
    case "boolean":
      return out.bool(value);
    case "undefined":
      return out.byte(0xf7);
    case "object":
      break;
    default:
      throw new Fault(`expected a value, got ${typeof value}`);
  }
  if (value === null) return out.null();
  if (value instanceof Uint8Array) return out.byteString(value);
  if (value instanceof Float) return out.float64(value.value);
  if (value instanceof Simple) return writeSimple(out, value.value);
  if (depth >= maxDepth) throw new Fault(`nested deeper than ${maxDepth}`);
  if (value instanceof Tagged) {
    const tag = BigInt(value.tag);
    if (tag < 0n || tag > 0xffffffffffffffffn) throw new Fault(`expected a tag of 64 bits, got ${tag}`);
    out.wideHead(0xc0, tag);
    return writeAny(out, value.value, depth + 1);
  }
  if (Array.isArray(value)) {
    out.array(value.length);
    for (let at = 0; at < value.length; ++at) writeAt(out, value[at], depth, `[${at}]`);
    return;
  }
  if (value instanceof Map) {
    out.map(value.size);
    for (const [key, each] of value) {
      writeAny(out, key, depth + 1);
      writeAt(out, each, depth, String(key));
    }
    return;
  }
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  out.map(members.length);
  for (const [key, each] of members) {
    out.text(key);
    writeAt(out, each, depth, key);
  }
}

function writeAt(out: Writer, value: Value, depth: number, part: string): void {
  try {
    writeAny(out, value, depth + 1);
  } catch (thrown) {
    throw within(part, thrown);
  }
}

function writeSimple(out: Writer, value: number): void {
  const known = Number.isInteger(value) && value >= 0 && value <= 255 && (value < 24 || value >= 32);
  if (!known) throw new Fault(`expected a simple value, 0 to 23 or 32 to 255, got ${value}`);
  out.head(0xe0, value);
}

/** @param exact whether a float that is integral is read as a `Float`, so that it is written as a float again */
export function readAny(input: Reader, exact = false): Value {
  input.head();
  switch (input.major) {
    case 0:
    case 1:
      return input.integer();
    case 2:
      return input.bytesBody();
    case 3:
      return input.textBody();
    case 4: {
      const count = input.enter(1);
      const out: Value[] = [];
      while (input.more(out.length, count)) out.push(readAny(input, exact));
      input.leave();
      return out;
    }
    case 5:
      return readMap(input, exact);
    case 6:
      return readTagged(input, exact);
    default:
      return readSimple(input, exact);
  }
}

function readSimple(input: Reader, exact: boolean): Value {
  switch (input.info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    case 23:
      return undefined;
    case 25:
    case 26:
    case 27: {
      const value = input.floating();
      return exact && Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
    }
    case 31:
      throw input.malformed("a break outside of an array, map or string");
    default:
      return new Simple(input.argument);
  }
}

function readTagged(input: Reader, exact: boolean): Value {
  const tag = input.wide ?? input.argument;
  if (input.depth >= maxDepth) throw new Fault(`nested deeper than ${maxDepth}`);
  ++input.depth;
  const value = readAny(input, exact);
  --input.depth;
  if ((tag === 2 || tag === 3) && value instanceof Uint8Array && value.length <= longestInteger) {
    let hex = "0x0";
    for (const byte of value) hex += byte.toString(16).padStart(2, "0");
    const number = BigInt(hex);
    return tag === 2 ? number : -1n - number;
  }
  return new Tagged(tag, value);
}

function readMap(input: Reader, exact: boolean): Value {
  const count = input.enter(2);
  const pairs: [Value, Value][] = [];
  let texts = true;
  while (input.more(pairs.length, count)) {
    const key = readAny(input, exact);
    texts &&= typeof key === "string";
    pairs.push([key, readAny(input, exact)]);
  }
  input.leave();
  if (!texts) {
    const out = new Map(pairs);
    if (out.size !== pairs.length) throw new Fault("a key comes twice");
    return out;
  }
  const out: { [member: string]: Value } = {};
  for (const [key, value] of pairs as [string, Value][]) {
    if (Object.hasOwn(out, key)) throw new Fault(`${key}: comes twice`);
    setMember(out, key, value);
  }
  return out;
}

/** Sets a member of a plain object, whatever its name is. */
export function setMember<T>(object: { [member: string]: T }, name: string, value: T): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[name] = value;
  }
}

/** The CBOR of a value. */
export function encode(value: Value): Uint8Array {
  const out = new Writer(256);
  writeAny(out, value);
  return out.copy();
}

/** The value of one CBOR item. */
export function decode(bytes: Uint8Array, options: { exact?: boolean } = {}): Value {
  const input = new Reader(bytes);
  const value = readAny(input, options.exact ?? false);
  input.finish();
  return value;
}

/** A value in the notation of messages, at most 60 characters long. */
export function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : typeof value === "object" ? kindOf(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
