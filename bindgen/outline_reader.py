# SPDX-License-Identifier: Apache-2.0
"""Checks the JSON of an outline, and makes the objects of outline.py of it."""
import json

from outline import (FORM, REF_KINDS, TYPE_KINDS, Call, Case, Constant, EnumValue, Event, Failure, Member, Module,
                     Outline, OutlineError, Ref, Type)

_NO = object()


class _At:
    """A place in the JSON, and the path to it."""

    def __init__(self, data, path):
        self.data, self.path = data, path

    def fail(self, expected):
        shown = json.dumps(self.data)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise OutlineError(f"{self.path or 'the outline'}: found {shown}, expected {expected}; install backplane and "
                           "backplane-bindgen in the same version")

    def of(self, kind, expected):
        if not isinstance(self.data, kind) or (kind is int and isinstance(self.data, bool)):
            self.fail(expected)
        return self.data

    def get(self, name, default=_NO):
        self.of(dict, "an object")
        if name not in self.data and default is _NO:
            raise OutlineError(f"{self.path or 'the outline'}: lacks the member `{name}`; install backplane and "
                               "backplane-bindgen in the same version")
        return _At(self.data.get(name, default), f"{self.path}.{name}".lstrip("."))

    def text(self, name, default=_NO):
        return self.get(name, default).of(str, "text")

    def whole(self, name, default=_NO):
        return self.get(name, default).of(int, "a whole number")

    def flag(self, name, default=_NO):
        return self.get(name, default).of(bool, "true or false")

    def each(self, name, make):
        found = self.get(name, [])
        return [make(_At(item, f"{found.path}[{i}]")) for i, item in enumerate(found.of(list, "a list"))]

    def maybe(self, name, make):
        found = self.get(name, None)
        return None if found.data is None else make(found)


def read(data):
    top = _At(data, "")
    form = top.whole("form")
    if form != FORM:
        raise OutlineError(f"found an outline of form {form}, expected {FORM}; install backplane and backplane-bindgen "
                           "in the same version")
    modules = top.each("modules", _module)
    seen = set()
    for module in modules:
        if module.name in seen:
            raise OutlineError(f"two sources are the module {module.name}; give each module once")
        seen.add(module.name)
    return Outline(top.text("generator"), modules)


def _module(at):
    made = Module(at.text("name"), at.text("version", ""), at.text("summary", ""), at.text("hash"), at.text("cddl"),
                  at.each("types", _type), at.each("calls", _call), at.each("functions", _call),
                  at.each("events", _event), at.each("listens", _event), at.each("constants", _constant),
                  at.maybe("config", _ref), at.text("config_doc", ""))
    if not made.name:
        at.get("name").fail("the name of a module")
    if len(made.by_name) != len(made.types):
        raise OutlineError(f"{at.path}.types: two types have one name; rename one in the interface of {made.name}")
    for ref in made.refs():
        if ref.kind == "named" and ref.name not in made.by_name:
            raise OutlineError(f"{at.path}: found the name {ref.name}, which no type has; expected one of the module's "
                               "types")
    return made


def _type(at):
    kind = at.text("kind")
    if kind not in TYPE_KINDS:
        at.get("kind").fail("one of " + ", ".join(TYPE_KINDS))
    made = Type(at.text("name"), at.text("doc", ""), kind, at.flag("sent", False), at.flag("received", False))
    if kind == "struct":
        made.members = at.each("members", _member)
    elif kind == "enum":
        made.values = at.each("values", lambda v: EnumValue(v.text("value"), v.text("doc", "")))
    elif kind == "tagged":
        made.cases = at.each("cases", lambda c: Case(c.text("name"), _ref(c.get("type")), c.text("doc", "")))
    else:
        made.type = _ref(at.get("type"))
    return made


def _member(at):
    has_default = "default" in at.data
    return Member(at.text("name"), at.text("doc", ""), _ref(at.get("type")), at.flag("optional", False), has_default,
                  _value(at.get("default")) if has_default else None)


def _call(at):
    return Call(at.text("name"), at.text("doc", ""), at.maybe("request", _ref), at.maybe("request_part", _ref),
                at.maybe("reply", _ref), at.maybe("partial", _ref), at.each("errors", _failure))


def _failure(at):
    builtin = at.get("builtin", None).data
    return Failure(at.whole("status"), at.maybe("detail", _ref), at.text("doc", ""), builtin)


def _event(at):
    return Event(at.text("name"), at.text("doc", ""), at.maybe("payload", _ref))


def _constant(at):
    return Constant(at.text("name"), _value(at.get("value")), at.text("doc", ""))


def _ref(at):
    kind = at.text("kind")
    if kind not in REF_KINDS:
        at.get("kind").fail("one of " + ", ".join(REF_KINDS))
    made = Ref(kind, at.data, text=json.dumps(at.data, sort_keys=True))
    if kind == "bytes":
        made.size = at.maybe("size", lambda s: s.of(int, "a whole number"))
    elif kind in ("int", "float"):
        made.bits = at.whole("bits")
        if made.bits not in ((8, 16, 32, 64) if kind == "int" else (32, 64)):
            at.get("bits").fail("8, 16, 32 or 64" if kind == "int" else "32 or 64")
        made.signed = at.flag("signed") if kind == "int" else True
        made.unit = at.maybe("unit", lambda u: u.of(str, "text"))
    elif kind == "named":
        made.name = at.text("name")
    elif kind == "nullable":
        made.of = _ref(at.get("of"))
    elif kind == "list":
        made.of = _ref(at.get("of"))
        made.least = at.whole("least", 0)
        made.most = at.maybe("most", lambda m: m.of(int, "a whole number"))
    elif kind == "map":
        made.key, made.value = _ref(at.get("key")), _ref(at.get("value"))
    elif kind == "tuple":
        made.items = tuple(at.each("items", _ref))
    elif kind == "choice":
        made.of = at.each("of", _ref)
    elif kind == "literal":
        made.value = _value(at.get("value"))
    return made


def _value(at):
    data = at.data
    if isinstance(data, dict):
        if set(data) == {"int"} and isinstance(data["int"], str):
            try:
                return int(data["int"])
            except ValueError:
                at.fail("an integer in decimal")
        if set(data) == {"bytes"} and isinstance(data["bytes"], str):
            try:
                return bytes.fromhex(data["bytes"])
            except ValueError:
                at.fail("bytes in hexadecimal")
        if set(data) == {"map"} and isinstance(data["map"], list):
            pairs = [_value(_At(pair, f"{at.path}.map[{i}]")) for i, pair in enumerate(data["map"])]
            return dict(pair for pair in pairs if isinstance(pair, tuple) and len(pair) == 2)
        at.fail('{"int": …}, {"bytes": …} or {"map": …}')
    if isinstance(data, list):
        return tuple(_value(_At(item, f"{at.path}[{i}]")) for i, item in enumerate(data))
    if isinstance(data, int) and not isinstance(data, bool):
        return float(data)  # integers come as {"int": …}
    return data
