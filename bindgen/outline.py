# SPDX-License-Identifier: Apache-2.0
"""The outline of interfaces, which `backplane bindgen` writes as JSON: loads and checks it.

The objects here have the fields of the JSON; docs/bindings.md describes it. Values are Python's: {"int": "5"} is 5,
{"bytes": "ff"} is b"\\xff", a list is a tuple, and a map is a dict.
"""
import json
from dataclasses import dataclass, field
from typing import Any, Optional

FORM = 1
REF_KINDS = ("bool", "text", "bytes", "any", "null", "raw", "int", "float", "named", "nullable", "list", "map", "tuple",
             "choice", "literal")
TYPE_KINDS = ("struct", "enum", "tagged", "alias")


class OutlineError(Exception):
    """The outline is not what this version reads."""


@dataclass(eq=False)
class Ref:
    """What a value looks like. Two are equal if they say the same."""
    kind: str
    json: Any = field(repr=False)
    bits: int = 0
    signed: bool = False
    unit: Optional[str] = None
    size: Optional[int] = None      # of bytes
    name: str = ""                  # of named
    of: Any = None                  # a Ref of nullable and list, a list of choice
    least: int = 0                  # of list
    most: Optional[int] = None
    key: Any = None                 # of map
    value: Any = None               # of map: a Ref; of literal: a value
    items: tuple = ()               # of tuple
    text: str = field(default="", repr=False)

    def __eq__(self, other):
        return isinstance(other, Ref) and self.text == other.text

    def __hash__(self):
        return hash(self.text)

    def inner(self):
        """The refs that this one is made of."""
        if self.kind in ("nullable", "list"):
            return (self.of,)
        if self.kind == "choice":
            return tuple(self.of)
        if self.kind == "map":
            return (self.key, self.value)
        return self.items if self.kind == "tuple" else ()

    def walk(self):
        """This one and all that it is made of, without following names."""
        yield self
        for ref in self.inner():
            yield from ref.walk()


@dataclass(eq=False)
class Member:
    name: str
    doc: str
    type: Ref
    optional: bool = False
    has_default: bool = False
    default: Any = None


@dataclass(eq=False)
class EnumValue:
    value: str
    doc: str


@dataclass(eq=False)
class Case:
    name: str
    type: Ref
    doc: str


@dataclass(eq=False)
class Type:
    name: str
    doc: str
    kind: str
    sent: bool
    received: bool
    members: list = field(default_factory=list)
    values: list = field(default_factory=list)
    cases: list = field(default_factory=list)
    type: Optional[Ref] = None      # of alias

    def refs(self):
        """The refs in it, from the outside in."""
        for ref in [m.type for m in self.members] + [c.type for c in self.cases] + ([self.type] if self.type else []):
            yield from ref.walk()


@dataclass(eq=False)
class Failure:
    status: int
    detail: Optional[Ref]
    doc: str
    builtin: Optional[str]          # the name of a status of the host


@dataclass(eq=False)
class Call:
    name: str
    doc: str
    request: Optional[Ref]
    request_part: Optional[Ref]
    reply: Optional[Ref]
    partial: Optional[Ref]
    errors: list


@dataclass(eq=False)
class Event:
    name: str
    doc: str
    payload: Optional[Ref]


@dataclass(eq=False)
class Constant:
    name: str
    value: Any
    doc: str


@dataclass(eq=False)
class Module:
    name: str
    version: str
    summary: str
    hash: str
    cddl: str
    types: list
    calls: list
    functions: list
    events: list
    listens: list
    constants: list
    config: Optional[Ref]
    config_doc: str

    def __post_init__(self):
        self.by_name = {type_.name: type_ for type_ in self.types}
        self._groups = None

    def refs(self):
        """Every ref of the module, without following names."""
        for type_ in self.types:
            yield from type_.refs()
        yield from self.top_refs(inside=True)

    def top_refs(self, inside=False):
        """The refs of calls, functions, events and the configuration."""
        tops = [self.config] if self.config else []
        for call in self.calls + self.functions:
            tops += [call.request, call.request_part, call.reply, call.partial] + [e.detail for e in call.errors]
        tops += [event.payload for event in self.events + self.listens]
        for ref in tops:
            if ref is not None:
                yield from ref.walk() if inside else (ref,)

    def uses(self, kind, **fields):
        """Whether some ref has this kind, and these fields."""
        return any(ref.kind == kind and all(getattr(ref, k) == v for k, v in fields.items()) for ref in self.refs())

    def resolve(self, ref):
        """Follows names of aliases to what they stand for."""
        seen = set()
        while ref.kind == "named" and self.by_name[ref.name].kind == "alias" and ref.name not in seen:
            seen.add(ref.name)
            ref = self.by_name[ref.name].type
        return ref

    def statuses(self):
        """The declared failures of the calls, one for each status and detail, in order."""
        found = {}
        for call in self.calls:
            for failure in call.errors:
                found.setdefault((failure.status, failure.detail), failure)
        return list(found.values())

    def is_recursive(self, name):
        """Whether a value of this type may contain one of the same type."""
        return self._component(name)[1]

    def same_cycle(self, one, other):
        """Whether each of the two types may contain the other."""
        return self._component(one)[0] == self._component(other)[0] and self.is_recursive(one)

    def reach(self, name, holds_elements):
        """The types whose values a value of this one holds, if the language had no pointers. `holds_elements(list)`: whether
        a list has its elements inside of it, as an array has."""
        seen, stack = set(), [name]
        while stack:
            type_ = self.by_name[stack.pop()]
            refs = [m.type for m in type_.members] + [c.type for c in type_.cases] + ([type_.type] if type_.type else [])
            while refs:
                ref = refs.pop()
                if ref.kind == "named" and ref.name not in seen:
                    seen.add(ref.name)
                    stack.append(ref.name)
                elif ref.kind in ("nullable", "tuple", "choice") or (ref.kind == "list" and holds_elements(ref)):
                    refs += ref.inner()
        return seen

    def _component(self, name):
        if self._groups is None:
            edges = {t.name: [r.name for r in t.refs() if r.kind == "named"] for t in self.types}
            self._groups = components(edges)
        return self._groups[name]

    def ordered(self, by_value):
        """The types such that each comes after those that it holds by value; otherwise in order.

        `by_value(type)` gives the names of the types that must be complete before it. A cycle there is left as it is.
        """
        done, out = set(), []
        for start in self.types:
            stack = [(start, iter(()))] if start.name not in done else []
            if stack:
                done.add(start.name)
                stack = [(start, iter(by_value(start)))]
            while stack:
                type_, needed = stack[-1]
                for name in needed:
                    if name not in done:
                        done.add(name)
                        stack.append((self.by_name[name], iter(by_value(self.by_name[name]))))
                        break
                else:
                    out.append(type_)
                    stack.pop()
        return out


@dataclass(eq=False)
class Outline:
    generator: str
    modules: list


def components(edges):
    """Tarjan's: for each node (number of its strongly connected component, whether it is in a cycle)."""
    index, low, on_stack, stack, out = {}, {}, set(), [], {}
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, following = work[-1]
            for other in following:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(edges[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == node:
                            break
                    for member in group:
                        out[member] = (index[node], len(group) > 1 or node in edges[node])
    return out


def load(text):
    """Reads the JSON of an outline. Raises OutlineError."""
    from outline_reader import read  # here: it needs the classes above
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OutlineError(f"the outline is no JSON: {error}; run this program through `backplane bindgen`") from None
    return read(data)
