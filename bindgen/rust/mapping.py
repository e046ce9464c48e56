# SPDX-License-Identifier: Apache-2.0
"""What types of the outline are in Rust."""
import math

import outline as outlines
from names import Scope, local, pascal
from rust import layout
from rust.keywords import KEYWORDS, TYPES

SCALARS = {"bool": "bool", "text": "String", "any": "backplane::Value", "null": "()", "raw": "backplane::Raw"}
CHOICE = object()
MOST_ITEMS = 8        # of a tuple; a longer one is a value
MOST_ELEMENTS = 32    # of an array


class Types:
    """The types of a module. Choices and literals have no name in the outline; they get one here."""

    def __init__(self, module, reserved):
        self.module = module
        self.scope = Scope(KEYWORDS | TYPES | set(reserved))
        self.names = {type_.name: self.scope.take(pascal(type_.name)) for type_ in module.types}
        self.made = {}          # ref -> name, of choices and literals
        self.extra = []         # (name, ref), in order, of those without a name in the outline
        self._nested = self._alias_cycles()
        for type_ in module.types:
            if type_.kind == "alias" and type_.type.kind in ("choice", "literal"):
                self.made.setdefault(type_.type, self.names[type_.name])
        self._name_all()

    def _alias_cycles(self):
        """Aliases that hold themselves through aliases alone: Rust needs a struct in each such cycle."""
        aliases = {t.name for t in self.module.types if t.kind == "alias" and t.type.kind not in ("choice", "literal")}
        edges = {t.name: [r.name for r in t.type.walk() if r.kind == "named" and r.name in aliases]
                 for t in self.module.types if t.name in aliases}
        return {name for name, (_, cycle) in outlines.components(edges).items() if cycle}

    def _name_all(self):
        for type_ in self.module.types:
            for inside in type_.members + type_.cases:
                self._name(inside.type, pascal(type_.name) + pascal(inside.name))
            if type_.type is not None:
                self._name(type_.type, pascal(type_.name))
        for call in self.module.calls + self.module.functions:
            place = pascal(local(call.name))
            for what in ("request", "request_part", "reply", "partial"):
                if getattr(call, what) is not None:
                    self._name(getattr(call, what), place + pascal(what))
            for failure in call.errors:
                if failure.detail is not None:
                    self._name(failure.detail, f"{place}Error{failure.status}")
        for event in self.module.events:
            if event.payload is not None:
                self._name(event.payload, pascal(local(event.name)) + "Event")

    def _name(self, ref, place):
        """Names the choices and literals in `ref` after their place. Equal ones are one type."""
        if ref.kind in ("choice", "literal") and ref not in self.made:
            self.made[ref] = self.scope.take(place)
            self.extra.append((self.made[ref], ref))
        for inner in ref.inner():
            self._name(inner, place + {"nullable": "", "map": "Value"}.get(ref.kind, "Item"))

    def is_nested(self, type_):
        return type_.name in self._nested

    def of(self, ref, owner=None, by_value=True):
        """The type of `ref` inside of the type named `owner`, or of a CHOICE, which may be in several types."""
        kind = ref.kind
        if kind in SCALARS:
            return SCALARS[kind]
        if kind == "bytes":
            return f"backplane::ByteArray<{ref.size}>" if ref.size is not None else "backplane::Bytes"
        if kind == "int":
            return f"{'i' if ref.signed else 'u'}{ref.bits}"
        if kind == "float":
            return f"f{ref.bits}"
        if kind == "named":
            boxed = by_value and (self.module.is_recursive(ref.name) if owner is CHOICE else
                                  owner is not None and self.module.same_cycle(owner, ref.name))
            return f"Box<{self.names[ref.name]}>" if boxed else self.names[ref.name]
        if kind == "nullable":
            return f"Option<{self.of(ref.of, owner, by_value)}>"
        if kind == "list":
            if self.is_array(ref):
                return f"[{self.of(ref.of, owner, by_value)}; {ref.least}]"
            return f"Vec<{self.of(ref.of, owner, False)}>"
        if kind == "map":
            key, value = self.of(ref.key), self.of(ref.value, owner, False)
            return f"std::collections::BTreeMap<{key}, {value}>"
        if kind == "tuple":
            if not 0 < len(ref.items) <= MOST_ITEMS:
                return SCALARS["any"]
            items = [self.of(item, owner, by_value) for item in ref.items]
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        return self.made[ref]

    @staticmethod
    def is_array(ref):
        return ref.least == ref.most and 0 < ref.least <= MOST_ELEMENTS

    def has_default(self, ref, seen=()):
        """Whether Default gives a value that makes sense: nothing, zero or empty."""
        kind = ref.kind
        if kind in ("choice", "literal"):
            return False
        if kind == "list" and self.is_array(ref):
            return self.has_default(ref.of, seen)
        if kind == "tuple":
            return all(self.has_default(item, seen) for item in ref.items)
        if kind != "named":
            return True
        type_ = self.module.by_name[ref.name]
        if type_.name in seen or type_.kind in ("enum", "tagged"):
            return False
        seen = (*seen, type_.name)
        if type_.kind == "alias":
            return self.has_default(type_.type, seen)
        return self.struct_has_default(type_, seen)

    def struct_has_default(self, type_, seen=()):
        return all(m.optional and not m.has_default or self.has_value(m) or self.has_default(m.type, (*seen, type_.name))
                   for m in type_.members)

    def has_value(self, member):
        """Whether the member's default can be written as an expression."""
        return member.has_default and self.value(member.type, member.default) is not None

    def value(self, ref, value):
        """An expression for a default, or None."""
        if ref.kind == "nullable":
            if value is None:
                return "None"
            inner = self.value(ref.of, value)
            return None if inner is None else f"Some({inner})"
        if ref.kind == "named":
            type_ = self.module.by_name[ref.name]
            if type_.kind == "enum" and isinstance(value, str):
                return next((f"{self.names[ref.name]}::{name}" for name, each in variants(type_) if each.value == value),
                            None)
            if type_.kind == "alias" and not self.is_nested(type_):
                return self.value(type_.type, value)
            return None
        if ref.kind == "bool" and isinstance(value, bool):
            return "true" if value else "false"
        if ref.kind == "int" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if ref.kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
            if ref.bits == 32 and math.isfinite(value) and abs(value) > 3.4e38:
                return None
            return layout.real(float(value)).replace("f64::", f"f{ref.bits}::")
        if ref.kind == "text" and isinstance(value, str):
            return f"{layout.string(value)}.to_string()" if value else "String::new()"
        if ref.kind == "list" and value == () and not self.is_array(ref):
            return "Vec::new()"
        return None


def variants(type_):
    """(name, value) of each value of a text enum."""
    scope = Scope(KEYWORDS)
    return [(scope.take(pascal(value.value)), value) for value in type_.values]
