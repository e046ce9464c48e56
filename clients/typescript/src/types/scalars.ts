// SPDX-License-Identifier: Apache-2.0
//
// The types that are made of no others.
import { readAny, show, writeAny } from "../cbor/any.js";
import type { Value } from "../cbor/value.js";
import { Fault, Kind, type Reader, Type, type Writer } from "./type.js";

class Bool extends Type<boolean> {
  readonly kinds = Kind.bool;
  readonly what = "bool";
  write(out: Writer, value: boolean): void {
    if (typeof value !== "boolean") throw this.wrong(value);
    out.bool(value);
  }
  read(input: Reader): boolean {
    return input.bool();
  }
}

class Text extends Type<string> {
  readonly kinds = Kind.text;
  readonly what = "text";
  write(out: Writer, value: string): void {
    if (typeof value !== "string") throw this.wrong(value);
    out.text(value);
  }
  read(input: Reader): string {
    return input.text();
  }
}

class Bytes extends Type<Uint8Array> {
  readonly kinds = Kind.bytes;
  readonly what: string;
  constructor(private readonly size: number | undefined) {
    super();
    this.what = size === undefined ? "bytes" : `${size} bytes`;
  }
  private check(value: Uint8Array): Uint8Array {
    if (this.size === undefined || value.length === this.size) return value;
    throw new Fault(`expected ${this.size} bytes, got ${value.length}`);
  }
  write(out: Writer, value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throw this.wrong(value);
    out.byteString(this.check(value));
  }
  read(input: Reader): Uint8Array {
    return this.check(input.byteString());
  }
}

class Null extends Type<null> {
  readonly kinds = Kind.null;
  readonly what = "null";
  write(out: Writer, value: null): void {
    if (value !== null && value !== undefined) throw this.wrong(value);
    out.null();
  }
  read(input: Reader): null {
    return input.null();
  }
}

class Any extends Type<Value> {
  readonly kinds = Kind.all;
  readonly what = "any";
  write(out: Writer, value: Value): void {
    writeAny(out, value);
  }
  read(input: Reader): Value {
    return readAny(input);
  }
}

/** Bytes without CBOR around them: all of a payload. */
class Raw extends Type<Uint8Array> {
  readonly kinds = Kind.other;
  readonly what = "bytes";
  write(out: Writer, value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throw this.wrong(value);
    out.raw(value);
  }
  read(input: Reader): Uint8Array {
    const value = input.bytes.slice(input.at, input.end);
    input.at = input.end;
    return value;
  }
}

/** Integers of up to 32 bits are numbers. */
class Int extends Type<number> {
  readonly kinds = Kind.int;
  readonly what = "int";
  constructor(
    private readonly least: number,
    private readonly most: number,
  ) {
    super();
  }
  private check(value: number | bigint): number {
    if (value >= this.least && value <= this.most) return Number(value);
    throw new Fault(`expected ${this.least}..${this.most}, got ${value}`);
  }
  write(out: Writer, value: number): void {
    if (!Number.isInteger(value)) throw this.wrong(value);
    out.int(this.check(value));
  }
  read(input: Reader): number {
    return this.check(input.int());
  }
}

/** Integers of 64 bits are bigint. A safe integral number is taken, too. */
class WideInt extends Type<bigint> {
  readonly kinds = Kind.int;
  readonly what = "int";
  constructor(
    private readonly least: bigint,
    private readonly most: bigint,
  ) {
    super();
  }
  private check(value: bigint): bigint {
    if (value >= this.least && value <= this.most) return value;
    throw new Fault(`expected ${this.least}..${this.most}, got ${value}`);
  }
  write(out: Writer, value: bigint): void {
    if (typeof value === "bigint") return out.bigint(this.check(value));
    if (!Number.isSafeInteger(value)) throw this.wrong(value);
    out.bigint(this.check(BigInt(value)));
  }
  read(input: Reader): bigint {
    return this.check(BigInt(input.int()));
  }
}

class Double extends Type<number> {
  readonly kinds = Kind.float | Kind.int;
  readonly what = "float";
  write(out: Writer, value: number): void {
    if (typeof value !== "number") throw this.wrong(value);
    out.float64(value);
  }
  read(input: Reader): number {
    return input.float();
  }
}

class Single extends Type<number> {
  readonly kinds = Kind.float | Kind.int;
  readonly what = "float";
  private rounded(value: number): number {
    const single = Math.fround(value);
    if (Number.isFinite(value) && !Number.isFinite(single)) {
      throw new Fault(`expected a float of 32 bits, got ${value}`);
    }
    return single;
  }
  write(out: Writer, value: number): void {
    if (typeof value !== "number") throw this.wrong(value);
    out.float32(this.rounded(value));
  }
  read(input: Reader): number {
    return this.rounded(input.float());
  }
}

class Enumeration<T extends string> extends Type<T> {
  readonly kinds = Kind.text;
  readonly what: string;
  private readonly known: ReadonlySet<string>;
  constructor(values: readonly T[]) {
    super();
    this.known = new Set(values);
    const shown = values.map((value) => JSON.stringify(value));
    this.what = shown.length < 2 ? shown.join() : `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}`;
  }
  private check(value: string): T {
    if (this.known.has(value)) return value as T;
    throw new Fault(`expected ${this.what}, got ${show(value)}`);
  }
  write(out: Writer, value: T): void {
    if (typeof value !== "string") throw this.wrong(value);
    out.text(this.check(value));
  }
  read(input: Reader): T {
    return this.check(input.text());
  }
}

type Scalar = null | boolean | number | bigint | string | Uint8Array;

/** One value. Integers are equal whatever their type here is. */
class Literal<T extends Scalar> extends Type<T> {
  readonly kinds: number;
  readonly what: string;
  constructor(private readonly value: T) {
    super();
    this.what = show(value);
    this.kinds = literalKind(value);
  }
  private check(value: Value): T {
    const here = this.value;
    const same =
      here instanceof Uint8Array && value instanceof Uint8Array
        ? here.length === value.length && here.every((byte, at) => byte === value[at])
        : Object.is(here, value) || (typeof here !== "string" && typeof value !== "string" && value == here);
    if (same) return here;
    throw new Fault(`expected ${this.what}, got ${show(value)}`);
  }
  write(out: Writer, value: T): void {
    writeAny(out, this.check(value));
  }
  read(input: Reader): T {
    return this.check(readAny(input));
  }
}

function literalKind(value: Scalar): number {
  switch (typeof value) {
    case "string":
      return Kind.text;
    case "boolean":
      return Kind.bool;
    case "bigint":
      return Kind.int;
    case "number":
      return Number.isInteger(value) ? Kind.int | Kind.float : Kind.float;
    default:
      return value === null ? Kind.null : Kind.bytes;
  }
}

export const bool: Type<boolean> = new Bool();
export const text: Type<string> = new Text();
export const bytes: Type<Uint8Array> = new Bytes(undefined);
export const any: Type<Value> = new Any();
export const nothing: Type<null> = new Null();
export const raw: Type<Uint8Array> = new Raw();
export const int8: Type<number> = new Int(-0x80, 0x7f);
export const int16: Type<number> = new Int(-0x8000, 0x7fff);
export const int32: Type<number> = new Int(-0x80000000, 0x7fffffff);
export const int64: Type<bigint> = new WideInt(-0x8000000000000000n, 0x7fffffffffffffffn);
export const uint8: Type<number> = new Int(0, 0xff);
export const uint16: Type<number> = new Int(0, 0xffff);
export const uint32: Type<number> = new Int(0, 0xffffffff);
export const uint64: Type<bigint> = new WideInt(0n, 0xffffffffffffffffn);
export const float32: Type<number> = new Single();
export const float64: Type<number> = new Double();

export function sizedBytes(size: number): Type<Uint8Array> {
  return new Bytes(size);
}
export function enumeration<T extends string>(values: readonly T[]): Type<T> {
  return new Enumeration(values);
}
export function literal<T extends Scalar>(value: T): Type<T> {
  return new Literal(value);
}
