// SPDX-License-Identifier: Apache-2.0
//
// Structs, and values that are one of several named cases.
import { setMember } from "../cbor/any.js";
import { Writer as TextWriter } from "../cbor/writer.js";
import { Fault, Kind, kindOfValue, type Reader, Type, within, type Writer } from "./type.js";

/** A member of a struct. `optional`: it may be absent; a reader then has the default, if there is one. */
export interface Member {
  readonly name: string;
  readonly type: Type<any>;
  readonly optional?: boolean;
  /** Whether null is the same as absent. It is written as absent. */
  readonly absentIsNull?: boolean;
  readonly default?: unknown;
}

interface Prepared extends Member {
  /** The name as a CBOR item. */
  readonly item: Uint8Array;
  /** Whether `object[name] = value` sets it. */
  readonly plain: boolean;
  readonly optional: boolean;
  readonly absentIsNull: boolean;
}

function prepared(member: Member): Prepared {
  const out = new TextWriter(32);
  out.text(member.name);
  const { name, type, optional = false, absentIsNull = false } = member;
  return { name, type, optional, absentIsNull, default: member.default, item: out.copy(), plain: name !== "__proto__" };
}

function startsWith(input: Reader, item: Uint8Array): boolean {
  const { at, bytes } = input;
  const { length } = item;
  if (input.end - at < length) return false;
  for (let i = 0; i < length; ++i) {
    if (bytes[at + i] !== item[i]) return false;
  }
  return true;
}

/** Which members have come. */
class Seen {
  count = 0;
  private few = 0;
  private readonly many: Uint8Array | undefined;

  constructor(size: number) {
    if (size > 31) this.many = new Uint8Array(size);
  }

  has(at: number): boolean {
    return this.many ? this.many[at] === 1 : (this.few & (1 << at)) !== 0;
  }

  /** Whether it is the first time. */
  add(at: number): boolean {
    if (this.has(at)) return false;
    ++this.count;
    if (this.many) this.many[at] = 1;
    else this.few |= 1 << at;
    return true;
  }
}

class Struct<T extends object> extends Type<T> {
  readonly kinds = Kind.map;
  readonly what = "map";
  private members: Prepared[] | undefined;
  private byName = new Map<string, number>();
  private allRequired = true;

  constructor(private readonly make: () => Member[]) {
    super();
  }

  private prepare(): Prepared[] {
    const members = this.make().map(prepared);
    this.byName = new Map(members.map((member, at) => [member.name, at]));
    this.allRequired = !members.some((member) => member.optional);
    this.members = members;
    return members;
  }

  write(out: Writer, value: T): void {
    if (typeof value !== "object" || kindOfValue(value) !== Kind.map) throw this.wrong(value);
    const members = this.members ?? this.prepare();
    const values = value as { [name: string]: unknown };
    let count = members.length;
    if (!this.allRequired) {
      count = 0;
      for (const member of members) {
        if (!isAbsent(member, values[member.name])) ++count;
      }
    }
    out.map(count);
    let at = 0;
    try {
      for (; at < members.length; ++at) {
        const member = members[at]!;
        const each = values[member.name];
        if (each === undefined ? member.optional : each === null && member.absentIsNull) continue;
        out.raw(member.item);
        member.type.write(out, each);
      }
    } catch (thrown) {
      throw within(members[at]!.name, thrown);
    }
  }

  read(input: Reader): T {
    const members = this.members ?? this.prepare();
    const count = input.map();
    const out: { [name: string]: unknown } = {};
    let at = 0;
    try {
      // Nearly always all members come, in their order.
      for (; at < members.length && at < count; ++at) {
        const member = members[at]!;
        if (!startsWith(input, member.item)) break;
        input.at += member.item.length;
        if (member.absentIsNull && input.isNull()) continue;
        const value = member.type.read(input);
        if (member.plain) out[member.name] = value;
        else setMember(out, member.name, value);
      }
    } catch (thrown) {
      throw within(members[at]!.name, thrown);
    }
    if (at !== count || at !== members.length) this.readRest(input, out, count, at);
    input.leave();
    return out as T;
  }

  /** Goes on in any order, after the first `have` members. */
  private readRest(input: Reader, out: { [name: string]: unknown }, count: number, have: number): void {
    const members = this.members!;
    const seen = new Seen(members.length);
    for (let at = 0; at < have; ++at) seen.add(at);
    let next = have; // members mostly come in their order
    let name = "";
    try {
      for (let read = have; input.more(read, count); ++read) {
        name = "";
        const at = this.find(input, next);
        if (at < 0) continue;
        const member = members[at]!;
        name = member.name;
        if (!seen.add(at)) throw new Fault("comes twice");
        next = at + 1;
        if (member.absentIsNull && input.isNull()) continue;
        setMember(out, name, member.type.read(input));
      }
    } catch (thrown) {
      throw name === "" ? thrown : within(name, thrown);
    }
    if (seen.count < members.length) this.complete(out, seen);
  }

  /** The index of the member whose name comes next; an unknown one is skipped, and gives -1. */
  private find(input: Reader, next: number): number {
    const members = this.members!;
    const likely = members[next];
    if (likely && startsWith(input, likely.item)) {
      input.at += likely.item.length;
      return next;
    }
    const name = input.text();
    const at = this.byName.get(name);
    if (at !== undefined) return at;
    if (input.strict) {
      throw new Fault(`unknown field; known: ${members.map((member) => member.name).join(", ")}`).within(name);
    }
    input.skip();
    return -1;
  }

  private complete(out: { [name: string]: unknown }, seen: Seen): void {
    this.members!.forEach((member, at) => {
      if (seen.has(at)) return;
      if (!member.optional) throw new Fault(`missing, expected ${member.type.what}`).within(member.name);
      if (member.default !== undefined) setMember(out, member.name, member.default);
    });
  }
}

function isAbsent(member: Member, value: unknown): boolean {
  return value === undefined ? (member.optional ?? false) : value === null && (member.absentIsNull ?? false);
}

/** One of several cases: an object with `kind` and `value`. On the wire it is a map with the case as its one member. */
class TaggedUnion<T extends { kind: string; value: unknown }> extends Type<T> {
  readonly kinds = Kind.map;
  readonly what = "map";
  private cases: Map<string, Type<unknown>> | undefined;

  constructor(private readonly make: () => readonly (readonly [string, Type<any>])[]) {
    super();
  }

  private get all(): Map<string, Type<unknown>> {
    return (this.cases ??= new Map(this.make()));
  }

  private expected(): string {
    return `one of the members ${[...this.all.keys()].join(", ")}`;
  }

  write(out: Writer, value: T): void {
    if (kindOfValue(value) !== Kind.map) throw this.wrong(value);
    const type = this.all.get(value.kind);
    if (!type) throw new Fault(`expected ${[...this.all.keys()].join(" or ")}, got ${String(value.kind)}`).within("kind");
    out.map(1);
    out.text(value.kind);
    try {
      type.write(out, value.value);
    } catch (thrown) {
      throw within("value", thrown);
    }
  }

  read(input: Reader): T {
    const count = input.map();
    let found: T | undefined;
    for (let read = 0; input.more(read, count); ++read) {
      const kind = input.text();
      const type = this.all.get(kind);
      if (!type && !input.strict) {
        input.skip();
        continue;
      }
      if (!type || found) throw new Fault(`expected ${this.expected()}, got ${type ? "two of them" : kind}`);
      try {
        found = { kind, value: type.read(input) } as T;
      } catch (thrown) {
        throw within(kind, thrown);
      }
    }
    input.leave();
    if (!found) throw new Fault(`expected ${this.expected()}, got none of them`);
    return found;
  }
}

export function struct<T extends object>(members: () => Member[]): Type<T> {
  return new Struct<T>(members);
}

export function tagged<T extends { kind: string; value: unknown }>(
  cases: () => readonly (readonly [string, Type<any>])[],
): Type<T> {
  return new TaggedUnion<T>(cases);
}
