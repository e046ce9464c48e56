// SPDX-License-Identifier: Apache-2.0
//
// The types that are made of others, without structs.
import { encode, setMember } from "../cbor/any.js";
import { int64, uint64 } from "./scalars.js";
import { Fault, Kind, kindAt, kindOfValue, namesOf, Reader, Type, within, type Writer } from "./type.js";

class List<T> extends Type<T[]> {
  readonly kinds = Kind.list;
  readonly what = "list";
  constructor(
    private readonly of: Type<T>,
    private readonly least: number,
    private readonly most: number,
  ) {
    super();
  }
  private check(count: number): void {
    if (count >= this.least && count <= this.most) return;
    const { least, most } = this;
    const wanted = most === Infinity ? `at least ${least}` : least === most ? `${least}` : `${least} to ${most}`;
    throw new Fault(`expected ${wanted} items, got ${count}`);
  }
  write(out: Writer, value: T[]): void {
    if (!Array.isArray(value)) throw this.wrong(value);
    this.check(value.length);
    out.array(value.length);
    let at = 0;
    try {
      for (; at < value.length; ++at) this.of.write(out, value[at]!);
    } catch (thrown) {
      throw within(`[${at}]`, thrown);
    }
  }
  read(input: Reader): T[] {
    const count = input.array();
    const out: T[] = [];
    try {
      while (input.more(out.length, count)) out.push(this.of.read(input));
    } catch (thrown) {
      throw within(`[${out.length}]`, thrown);
    }
    input.leave();
    this.check(out.length);
    return out;
  }
}

/** A map with text keys is an object. */
class TextMap<T> extends Type<{ [key: string]: T }> {
  readonly kinds = Kind.map;
  readonly what = "map";
  constructor(private readonly of: Type<T>) {
    super();
  }
  write(out: Writer, value: { [key: string]: T }): void {
    if (kindOfValue(value) !== Kind.map || value instanceof Map) throw this.wrong(value);
    const keys = Object.keys(value);
    out.map(keys.length);
    for (const key of keys) {
      try {
        out.text(key);
        this.of.write(out, value[key]!);
      } catch (thrown) {
        throw within(key, thrown);
      }
    }
  }
  read(input: Reader): { [key: string]: T } {
    const count = input.map();
    const out: { [key: string]: T } = {};
    for (let read = 0; input.more(read, count); ++read) {
      const key = input.text();
      if (Object.hasOwn(out, key)) throw new Fault("comes twice").within(key);
      try {
        setMember(out, key, this.of.read(input));
      } catch (thrown) {
        throw within(key, thrown);
      }
    }
    input.leave();
    return out;
  }
}

const integerText = /^-?[0-9]+$/;

/** A map with other keys is a Map. A reader takes text with an integer as an integer, since JSON has no other keys. */
class KeyMap<K, T> extends Type<Map<K, T>> {
  readonly kinds = Kind.map;
  readonly what = "map";
  constructor(
    private readonly key: Type<K>,
    private readonly of: Type<T>,
  ) {
    super();
  }
  write(out: Writer, value: Map<K, T>): void {
    if (!(value instanceof Map)) throw this.wrong(value);
    out.map(value.size);
    for (const [key, each] of value) {
      try {
        this.key.write(out, key);
        this.of.write(out, each);
      } catch (thrown) {
        throw within(`[${String(key)}]`, thrown);
      }
    }
  }
  private readKey(input: Reader): K {
    if (this.key.kinds !== Kind.int || kindAt(input) !== Kind.text) return this.key.read(input);
    const text = input.text();
    if (!integerText.test(text) || text.length > 20) throw new Fault(`expected an integer as the key, got ${JSON.stringify(text)}`);
    return this.key.read(new Reader(encode(BigInt(text))));
  }
  read(input: Reader): Map<K, T> {
    const count = input.map();
    const out = new Map<K, T>();
    for (let read = 0; input.more(read, count); ++read) {
      const key = this.readKey(input);
      if (out.has(key)) throw new Fault("comes twice").within(`[${String(key)}]`);
      try {
        out.set(key, this.of.read(input));
      } catch (thrown) {
        throw within(`[${String(key)}]`, thrown);
      }
    }
    input.leave();
    return out;
  }
}

class Tuple<T extends unknown[]> extends Type<T> {
  readonly kinds = Kind.list;
  readonly what: string;
  constructor(private readonly items: Type<unknown>[]) {
    super();
    this.what = `list of ${items.length}`;
  }
  write(out: Writer, value: T): void {
    if (!Array.isArray(value)) throw this.wrong(value);
    if (value.length !== this.items.length) throw new Fault(`expected ${this.items.length} items, got ${value.length}`);
    out.array(value.length);
    this.items.forEach((item, at) => {
      try {
        item.write(out, value[at]);
      } catch (thrown) {
        throw within(`[${at}]`, thrown);
      }
    });
  }
  read(input: Reader): T {
    const count = input.array();
    const out: unknown[] = [];
    while (input.more(out.length, count)) {
      const item = this.items[out.length];
      if (!item) throw new Fault(`expected ${this.items.length} items, got more`);
      try {
        out.push(item.read(input));
      } catch (thrown) {
        throw within(`[${out.length}]`, thrown);
      }
    }
    input.leave();
    if (out.length !== this.items.length) throw new Fault(`expected ${this.items.length} items, got ${out.length}`);
    return out as T;
  }
}

class Nullable<T> extends Type<T | null> {
  constructor(private readonly of: Type<T>) {
    super();
  }
  get kinds(): number {
    return this.of.kinds | Kind.null;
  }
  get what(): string {
    return `${this.of.what} or null`;
  }
  write(out: Writer, value: T | null): void {
    if (value === null) out.null();
    else this.of.write(out, value);
  }
  read(input: Reader): T | null {
    return input.isNull() ? null : this.of.read(input);
  }
}

const mostRetries = 1000;

/** The CBOR type decides; if several alternatives have it, the first one that fits. */
class Choice<T> extends Type<T> {
  private readonly of: Type<T>[];
  constructor(of: Type<any>[]) {
    super();
    this.of = of;
  }
  get kinds(): number {
    return this.of.reduce((all, each) => all | each.kinds, 0);
  }
  get what(): string {
    return this.of.map((each) => each.what).join(" or ");
  }
  write(out: Writer, value: T): void {
    let fitting = this.of.filter((each) => each.kinds & kindOfValue(value));
    if (typeof value === "number" && fitting.length > 1) {
      // Integers of 64 bits are bigint, so a number is meant as a float.
      const narrow = fitting.filter((each) => each !== (int64 as unknown) && each !== (uint64 as unknown));
      if (narrow.length > 0) fitting = narrow;
    }
    if (fitting.length === 0) throw this.wrong(value);
    const start = out.length;
    for (const [at, each] of fitting.entries()) {
      try {
        return each.write(out, value);
      } catch (thrown) {
        if (at + 1 === fitting.length) throw fitting.length === 1 ? thrown : this.none(thrown);
        out.length = start;
      }
    }
  }
  read(input: Reader): T {
    const kind = kindAt(input);
    const fitting = this.of.filter((each) => each.kinds & kind);
    if (fitting.length === 0) throw new Fault(`expected ${namesOf(this.kinds)}, got ${namesOf(kind)}`);
    const { at, depth } = input;
    for (const [tried, each] of fitting.entries()) {
      try {
        return each.read(input);
      } catch (thrown) {
        if (tried + 1 === fitting.length) throw fitting.length === 1 ? thrown : this.none(thrown);
        // Alternatives in alternatives must not take time without end.
        if (++input.retries > mostRetries) throw thrown;
        input.at = at;
        input.depth = depth;
      }
    }
    throw new Fault(`expected ${this.what}`);
  }
  private none(last: unknown): unknown {
    return last instanceof Fault ? new Fault(`fits none of: ${this.what}`) : last;
  }
}

/** A type that is made when it is needed first: types may name each other in any order. */
class Named<T> extends Type<T> {
  private made: Type<T> | undefined;
  constructor(private readonly make: () => Type<T>) {
    super();
  }
  private get type(): Type<T> {
    return (this.made ??= this.make());
  }
  get kinds(): number {
    return this.type.kinds;
  }
  get what(): string {
    return this.type.what;
  }
  write(out: Writer, value: T): void {
    this.type.write(out, value);
  }
  read(input: Reader): T {
    return this.type.read(input);
  }
}

export function list<T>(of: Type<T>, least = 0, most = Infinity): Type<T[]> {
  return new List(of, least, most);
}
export function textMap<T>(of: Type<T>): Type<{ [key: string]: T }> {
  return new TextMap(of);
}
export function keyMap<K, T>(key: Type<K>, of: Type<T>): Type<Map<K, T>> {
  return new KeyMap(key, of);
}
export function tuple<T extends unknown[]>(...items: { [I in keyof T]: Type<T[I]> }): Type<T> {
  return new Tuple<T>(items as Type<unknown>[]);
}
export function nullable<T>(of: Type<T>): Type<T | null> {
  return new Nullable(of);
}
export function choice<T extends unknown[]>(...of: { [I in keyof T]: Type<T[I]> }): Type<T[number]> {
  return new Choice(of as Type<T[number]>[]);
}
export function alias<T>(make: () => Type<T>): Type<T> {
  return new Named(make);
}
