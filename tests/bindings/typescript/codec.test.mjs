// SPDX-License-Identifier: Apache-2.0
//
// The codec by itself: values, types, and what it says of what does not fit.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as bp from "@backplane/client/bindings";
import { decode, encode, Fault, Float, Simple, Status, statusName, Tagged } from "@backplane/client";
import { readFileSync } from "node:fs";
import { Colour, Composed, Defaults, PointPage, Scalars, Tree } from "./generated/forms.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => Uint8Array.from(Buffer.from(text.replace(/ /g, ""), "hex"));
const bad = (message) => ({ name: "bad_payload", message });

test("values are written in their shortest form", () => {
  for (const [value, expected] of [
    [0, "00"], [23, "17"], [24, "1818"], [255, "18ff"], [256, "190100"], [65536, "1a00010000"], [2 ** 32 - 1, "1affffffff"],
    [2 ** 32, "1b0000000100000000"], [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"], [-1, "20"], [-25, "3818"],
    [Number.MIN_SAFE_INTEGER, "3b001ffffffffffffe"], [2n ** 64n - 1n, "1bffffffffffffffff"], [-(2n ** 64n), "3bffffffffffffffff"],
    [2n ** 64n, "c249010000000000000000"], [5n, "05"], [-0, "fb8000000000000000"], [1.5, "fb3ff8000000000000"],
    [new Float(1), "fb3ff0000000000000"], [2 ** 53, "fb4340000000000000"], ["", "60"], ["ü", "62c3bc"], [null, "f6"],
    [undefined, "f7"], [true, "f5"], [[], "80"], [{}, "a0"], [{ a: undefined, b: 1 }, "a1616201"], [new Map([[1, 2]]), "a10102"],
    [Uint8Array.of(1), "4101"], [new Tagged(0, "x"), "c06178"], [new Simple(255), "f8ff"], ["x".repeat(100), `7864${"78".repeat(100)}`],
  ]) {
    assert.equal(hex(encode(value)), expected);
    if (value !== undefined && !(value instanceof Float) && value !== 2 ** 53 && value !== 5n && !(value?.b)) assert.deepEqual(decode(encode(value)), value);
  }
  assert.equal(decode(bytes("1b0020000000000000")), 2n ** 53n);
  assert.equal(decode(bytes("1b001fffffffffffff")), 2 ** 53 - 1);
  assert.equal(decode(bytes("3b001fffffffffffff")), -(2n ** 53n));
  assert.deepEqual([decode(bytes("f93c00")), decode(bytes("f97c00")), decode(bytes("f90001"))], [1, Infinity, 2 ** -24]);
  assert.ok(Object.is(decode(bytes("f98000")), -0));
  assert.deepEqual(decode(bytes("f93c00"), { exact: true }), new Float(1));
  assert.deepEqual(decode(bytes("9f01ff")), [1]);
  assert.deepEqual(decode(bytes("bf6161 5f 4101 4102 ff ff")), { a: Uint8Array.of(1, 2) });
});

test("what is no CBOR of a value is refused", () => {
  for (const [text, message] of [
    ["", /ends too early, at byte 0/], ["18", /ends too early/], ["1c", /reserved/], ["ff", /break/], ["0000", /bytes after the item, at byte 1/],
    ["61ff", /not UTF-8/], ["63eda080", /not UTF-8/], ["9bffffffffffffffff", /ends too early/], ["a10a", /ends too early/], ["a201010102", /comes twice/],
    ["a2616101616102", /a: comes twice/], ["5f6161ff", /wrong part/], ["5f5f4101ffff", /wrong part/], ["f818", /two bytes/], ["81".repeat(65) + "00", /deeper than 64/],
    ["c1".repeat(65) + "00", /deeper than 64/], ["1f", /reserved/],
  ]) {
    assert.throws(() => decode(bytes(text)), (error) => error instanceof Fault && message.test(error.message), text);
  }
  assert.throws(() => encode({ a: [1, () => {}] }), { message: "a[1]: expected a value, got function" });
  assert.throws(() => encode("\ud800"), /surrogate/);
  assert.throws(() => encode(new Simple(24)), Fault);
});

test("names that objects of JavaScript have themselves are names like others", () => {
  const value = decode(bytes("a2 695f5f70726f746f5f5f a1617801 6b636f6e7374727563746f72 02"));
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(hex(encode(value)), "a2695f5f70726f746f5f5fa16178016b636f6e7374727563746f7202");
});

test("requests are checked completely, and the path says where", () => {
  const shared = { flag: true, i8: 1, u8: 1, i16: 1, u16: 1, i32: 1, u32: 1, i64: 1n, u64: 1n, f32: 1, f64: 1, text: "", bytes: new Uint8Array(0),
    id: new Uint8Array(16), wait: 1n, path: "", any: 1, nothing: null, class: 1 };
  for (const [change, message] of [
    [{ i8: 128 }, "i8: expected -128..127, got 128"], [{ u8: -1 }, "u8: expected 0..255, got -1"], [{ u8: 1.5 }, "u8: expected int, got float"],
    [{ u64: -1n }, "u64: expected 0..18446744073709551615, got -1"], [{ i64: 2n ** 63n }, /^i64: expected/], [{ text: 5 }, "text: expected text, got int"],
    [{ text: undefined }, "text: missing, expected text"], [{ id: new Uint8Array(15) }, "id: expected 16 bytes, got 15"], [{ f32: 1e300 }, /^f32: expected a float of 32 bits/],
    [{ nothing: 0 }, "nothing: expected null, got int"], [{ any: [Symbol()] }, "any[0]: expected a value, got symbol"], [{ flag: 1 }, "flag: expected bool, got int"],
  ]) {
    assert.throws(() => Scalars.encode({ ...shared, ...change }), bad(message));
  }
  assert.equal(hex(bp.float64.encode(1)), "fb3ff0000000000000");
  assert.equal(hex(bp.float32.encode(0.1)), "fa3dcccccd");
  assert.equal(hex(bp.int64.encode(5)), "05");
  assert.throws(() => Tree.encode({ name: "", children: [{ name: "", children: [{}], named: {} }], named: {} }), bad("children[0].children[0].name: missing, expected text"));
  assert.throws(() => Colour.encode("blue"), bad('expected "red", "green" or "class", got "blue"'));
});

test("answers are read leniently, and questions strictly", () => {
  const more = encode({ items: [{ x: 1, y: 2, z: 3 }], other: [1], next: null });
  assert.deepEqual(PointPage.decode(more), { items: [{ x: 1, y: 2 }] });
  assert.throws(() => PointPage.decode(more, { strict: true }), bad("items[0].z: unknown field; known: x, y"));
  assert.deepEqual(PointPage.decode(encode({ next: "n", items: [] })), { next: "n", items: [] });
  assert.throws(() => PointPage.decode(encode({})), bad("items: missing, expected list"));
  assert.throws(() => PointPage.decode(bytes("a2 656974656d7380 656974656d7380")), bad("items: comes twice"));
  assert.throws(() => PointPage.decode(bytes("a1")), bad(/not well-formed CBOR/));
  assert.equal(Defaults.decode(encode({ required: "" })).count, -5);
  assert.deepEqual(Defaults.decode(encode({ required: "", limit: null })).limit, null);
  // Tags are skipped, floats take integers, and integer keys may be text.
  assert.deepEqual(PointPage.decode(bytes("a1 656974656d73 d9d9f7 81 a2 6178 01 6179 1bffffffffffffffff")), { items: [{ x: 1, y: 2 ** 64 }] });
  assert.deepEqual(bp.keyMap(bp.int32, bp.text).decode(encode({ "-5": "a" })), new Map([[-5, "a"]]));
  assert.throws(() => bp.keyMap(bp.uint8, bp.text).decode(encode({ 256: "a" })), bad(/expected 0..255/));
});

test("alternatives are told apart by their type", () => {
  const user = bp.choice(bp.text, bp.uint64);
  assert.deepEqual([user.decode(user.encode("u")), user.decode(user.encode(5n))], ["u", 5n]);
  assert.throws(() => user.encode(true), bad("expected text or int, got bool"));
  assert.throws(() => user.decode(encode([])), bad("expected int or text, got list"));
  assert.throws(() => user.decode(encode(-1)), bad(/expected 0\.\./));
  const numbers = bp.choice(bp.int64, bp.float64);
  assert.deepEqual([hex(numbers.encode(1n)), hex(numbers.encode(1))], ["01", "fb3ff0000000000000"]);
  const lists = bp.choice(bp.list(bp.uint8), bp.list(bp.text));
  assert.deepEqual(lists.decode(lists.encode(["a"])), ["a"]);
  const shapes = bp.tagged(() => [["circle", bp.float64], ["none", bp.nothing]]);
  assert.equal(hex(shapes.encode({ kind: "none", value: null })), "a1646e6f6e65f6");
  assert.deepEqual(shapes.decode(encode({ circle: 2, more: 1 })), { kind: "circle", value: 2 });
  assert.throws(() => shapes.decode(encode({ circle: 2, none: null })), bad(/two of them/));
  assert.throws(() => shapes.decode(encode({})), bad(/one of the members circle, none/));
  assert.throws(() => shapes.encode({ kind: "square", value: 1 }), bad("kind: expected circle or none, got square"));
  // Alternatives in alternatives end.
  const node = bp.struct(() => [{ name: "n", type: bp.choice(node, bp.struct(() => [{ name: "n", type: node }]), bp.nothing), optional: true }]);
  let deep = encode({ n: 1 });
  for (let depth = 0; depth < 40; ++depth) deep = Buffer.concat([bytes("a1616e"), deep]);
  assert.throws(() => node.decode(new Uint8Array(deep)), bad(/fits none of|expected/));
});

test("composed values keep their values", () => {
  const point = { x: 1, y: -0.5 };
  const tree = { name: "t", children: [], named: { "": { name: "", children: [], named: {} } } };
  const value = {
    list: [""], set: [1], deque: [point], three: [1, 2, 3], words: { a: "class" }, lists: { b: [point] }, numbers: new Map([[-1n, "m"]]),
    points: new Map([[2n ** 64n - 1n, point]]), pair: ["p", -(2n ** 63n)], tuple: [1, "", point], matrix: [[], [1]], holes: [null, ""],
    maps: [{ __proto__: null, t: true }], user: 1n, users: ["u"], choice: { p: point }, shape: { kind: "square", value: point }, maybe: [],
  };
  assert.deepEqual(Composed.decode(Composed.encode(value)), { ...value, maps: [{ t: true }] });
  assert.deepEqual(Tree.decode(Tree.encode({ ...tree, next: tree })), { ...tree, next: tree });
  for (const [change, message] of [
    [{ three: [1, 2] }, "three: expected 3 items, got 2"], [{ tuple: [1, ""] }, "tuple: expected 3 items, got 2"], [{ words: { a: "blue" } }, /^words\.a: expected/],
    [{ points: new Map([[-1n, point]]) }, /^points\[-1\]: expected/], [{ shape: { kind: "circle", value: {} } }, /^shape\.value\.x: missing/],
  ]) {
    assert.throws(() => Composed.encode({ ...value, ...change }), bad(message));
  }
});

test("the statuses are those of the host", () => {
  const { statuses } = JSON.parse(readFileSync(`${process.env.BACKPLANE_ROOT}/abi/statuses.json`, "utf8"));
  const ours = statuses.filter(({ number }) => number < 100); // the others are of fibers
  assert.deepEqual(Object.entries(Status), ours.map(({ name, number }) => [name, number]));
  assert.equal(statusName(1001), "status_1001");
});
