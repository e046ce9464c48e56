// SPDX-License-Identifier: Apache-2.0
//
// What a program may and may not do with the types that cddl2ts makes of forms.cpp. Each line after @ts-expect-error must
// not compile.
import type {
  CircleOrSquare, Colour, Composed, Config, Defaults, FormsChangedEvent, FormsComposedPartial, FormsComposedRequestPart,
  FormsConfig, FormsDefaultsError1001, FormsDefaultsError16, FormsDefaultsRequest, FormsGreetingConstant,
  FormsListsReply, FormsListsRequest, FormsMostConstant, FormsNothingReply, FormsNothingRequest, FormsOnConstant,
  FormsRawRequest, FormsTreeRequest, OtherLookupReply, Point, PointPage, Scalars, TimerFiredEvent, Tree
} from "./forms";

const bytes = new Uint8Array(16);
export const scalars: Scalars = {
  flag: true, i8: 1, u8: 1, i16: 1, u16: 1, i32: 1, u32: 1, i64: 1, u64: 1, f32: 1.5, f64: 2, text: "", bytes, id: bytes,
  wait: 5, path: "/tmp", any: { x: [1] }, nothing: null, class: 3
};
export const half: number = scalars.f64 / 2;
export const longer: number = scalars.wait + 1;
// @ts-expect-error: text is no number
scalars.i8 = "1";
// @ts-expect-error: bytes are no text
scalars.bytes = "AA==";
// @ts-expect-error: null and nothing else
scalars.nothing = 0;

const point: Point = { x: 1, y: 2 };
// @ts-expect-error: y is missing
export const half_point: Point = { x: 1 };
// @ts-expect-error: there is no z
export const space: Point = { x: 1, y: 2, z: 3 };

const word: Colour = "class";
// @ts-expect-error: no such word
export const other: Colour = "blue";

const leaf: Tree = { name: "leaf", children: [], named: {} };
export const tree: Tree = { name: "root", children: [leaf], next: { ...leaf, next: null }, named: { a: leaf } };
// @ts-expect-error: children are trees
export const wrong: Tree = { name: "", children: [1], named: {} };

export const shape: CircleOrSquare = { circle: point };
// @ts-expect-error: it is one of them
export const nothing: CircleOrSquare = {};

export const composed: Composed = {
  list: ["a"], set: [1], deque: [point], three: [1, 2, 3], words: { a: word }, lists: { a: [point] },
  numbers: { [-1]: "a" }, points: { 1: point }, pair: ["a", 1], tuple: [1, "a", point], matrix: [[1], [2, 3]],
  holes: ["a", null], maps: [{ a: true }], user: 5, users: ["a", 5], choice: { a: point }, shape
};
composed.user = "name";
composed.maybe = null;
composed.maybe = ["a"];
composed.choice = null;
composed.choice = ["a"];
// @ts-expect-error: a number or text
composed.user = true;
// @ts-expect-error: lists of numbers
composed.matrix = [1, 2];
// @ts-expect-error: values are points
composed.points = { 1: 5 };
// @ts-expect-error: text or null
composed.holes = [1];
// @ts-expect-error: no bool is in it
composed.pair = [true, 1];

export const given: FormsDefaultsRequest = { required: "it" };
export const all: Defaults = { name: "", count: 1, factor: 1, loud: false, colour: "red", limit: null, required: "" };
// @ts-expect-error: required is missing
export const none: FormsDefaultsRequest = { name: "" };
export const config: FormsConfig = {};
export const settings: Config = { prefix: "a", defaults: {}, places: [{ x: 1 }] };

export const request: FormsNothingRequest = {};
export const reply: FormsNothingReply = null;
export const lists: FormsListsRequest = { a: 1, b: null };
export const trees: FormsListsReply = [[tree]];
export const raw: FormsRawRequest = bytes;
export const part: FormsComposedRequestPart = tree;
export const partial: FormsComposedPartial = point;
export const changed: FormsChangedEvent = tree;
export const fired: TimerFiredEvent = point;
export const page: PointPage = { items: [point] };
export const asked: FormsTreeRequest = page;
export const found: OtherLookupReply = { items: [], next: "more" };
export const too_far: FormsDefaultsError1001 = point;
export const invalid: FormsDefaultsError16 = null;

export const most: FormsMostConstant = 600;
export const greeting: FormsGreetingConstant = 'say "hello"';
export const on: FormsOnConstant = true;
// @ts-expect-error: another number
export const more: FormsMostConstant = 601;
