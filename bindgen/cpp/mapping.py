# SPDX-License-Identifier: Apache-2.0
"""What the refs of an outline are in C++, and in which order types stand."""
import json

from text import c_string

UNITS = {"nanoseconds": "std::nano", "microseconds": "std::micro", "milliseconds": "std::milli", "seconds": "std::ratio<1>",
         "minutes": "std::ratio<60>", "hours": "std::ratio<3600>", "days": "std::ratio<86400>"}
CBOR = "backplane::Cbor"
_CLASSES = {"bool": {"bool"}, "text": {"text"}, "bytes": {"bytes"}, "null": {"null"}, "int": {"int"},
            "float": {"int", "float"}, "list": {"array"}, "tuple": {"array"}, "map": {"map"}}
_ALL = {"bool", "text", "bytes", "null", "int", "float", "array", "map"}


class Types:
    """The C++ types of one module. `names`: the C++ name of each of its types."""

    def __init__(self, module, names):
        self.module, self.names = module, names
        self.kept = self._endless()      # aliases that contain themselves, so that C++ has no type for them
        self._doing = set()

    def of(self, ref, owner=None, held=True):
        """The type of a ref. `owner`: the type that it is a member of. `held`: its value is inside of the owner."""
        kind = ref.kind
        if kind == "bytes":
            return f"std::array<std::uint8_t, {ref.size}>" if ref.size is not None else "backplane::Bytes"
        if kind == "int":
            return self._integer(ref)
        if kind == "named":
            return self._named(ref, owner, held)
        if kind == "nullable":
            return self._nullable(ref, owner, held)
        if kind == "list":
            return self._list(ref, owner, held)
        if kind == "map":
            key = "std::string" if self.module.resolve(ref.key).kind != "int" else self.of(ref.key)
            return f"std::map<{key}, {self.of(ref.value, owner, False)}>"
        if kind == "tuple":
            return f"std::tuple<{', '.join(self.of(item, owner, held) for item in ref.items)}>"
        if kind == "choice":
            return self._choice(ref, owner, held)
        if kind == "literal":
            return self._literal(ref.value)
        return {"bool": "bool", "text": "std::string", "any": CBOR, "null": "std::monostate", "raw": "client::Raw",
                "float": "float" if ref.bits == 32 else "double"}[kind]

    def _integer(self, ref):
        plain = f"std::{'' if ref.signed else 'u'}int{ref.bits}_t"
        if ref.unit is None:
            return plain
        if plain == "std::int64_t":
            return f"std::chrono::{ref.unit}" if ref.unit not in ("minutes", "hours", "days") else (
                f"std::chrono::duration<{plain}, {UNITS[ref.unit]}>")
        return f"std::chrono::duration<{plain}, {UNITS[ref.unit]}>"

    def _named(self, ref, owner, held):
        if ref.name in self.kept:
            return CBOR
        if held and owner is not None and self._holds_itself(ref.name, owner):
            return CBOR
        return self.names[ref.name]

    def _nullable(self, ref, owner, held):
        inner = ref.of
        if inner.kind == "named" and owner is not None and held and self._holds_itself(inner.name, owner):
            return f"std::unique_ptr<{self.names[inner.name]}>" if inner.name not in self.kept else f"std::optional<{CBOR}>"
        if "null" in self.classes(inner) and self.module.resolve(inner).kind in ("null", "nullable"):
            return self.of(inner, owner, held)
        return f"std::optional<{self.of(inner, owner, held)}>"

    def _list(self, ref, owner, held):
        octets = self.module.resolve(ref.of)
        if octets.kind == "int" and octets.bits == 8 and not octets.signed and octets.unit is None:
            return f"std::deque<{self.of(ref.of)}>"  # a vector or array of these is bytes
        if ref.most is not None and ref.least == ref.most and ref.most <= 256:
            return f"std::array<{self.of(ref.of, owner, held)}, {ref.most}>"
        return f"std::vector<{self.of(ref.of, owner, False)}>"

    def _choice(self, ref, owner, held):
        if not self.told_apart(ref.of):
            return CBOR
        types = [self.of(each, owner, held) for each in ref.of]
        if CBOR in types[:-1]:  # it takes whatever the later ones are for
            return CBOR
        return f"std::variant<{', '.join(types)}>"

    @staticmethod
    def _literal(value):
        if isinstance(value, bool):
            return f"client::ValueLiteral<{'true' if value else 'false'}>"
        if isinstance(value, int) and -2**63 < value < 2**64:
            return f"client::ValueLiteral<{integer(value)}>"
        if isinstance(value, str) and "\0" not in value:
            return f"client::TextLiteral<{c_string(value)}>"
        return CBOR

    # ---- What may hold what ----

    def _holds_itself(self, name, owner):
        """Whether a value of `name` holds one of `owner`, and the other way, through members that are inside of it."""
        return self.module.same_cycle(name, owner) and (name == owner or owner in self._reach(name))

    def _reach(self, name):
        return self.module.reach(name, lambda ref: ref.most == ref.least)

    def _endless(self):
        """Aliases and tagged types that contain themselves without a struct between."""
        def following(name):
            type_ = self.module.by_name[name]
            return [] if type_.kind in ("struct", "enum") else [r.name for r in type_.refs() if r.kind == "named"]
        found = set()
        for type_ in self.module.types:
            if type_.kind not in ("alias", "tagged") or not self.module.is_recursive(type_.name):
                continue
            seen, stack = set(), following(type_.name)
            while stack:
                name = stack.pop()
                if name not in seen:
                    seen.add(name)
                    stack += following(name)
            if type_.name in seen:
                found.add(type_.name)
        return found

    def order(self):
        """The types in the order of their declarations, and the structs that must be named before."""
        def needed(type_):
            for ref in [m.type for m in type_.members] + [c.type for c in type_.cases]:
                yield from self._needed(ref, type_.kind == "struct", type_.name, set())
            if type_.type is not None and type_.name not in self.kept:
                yield from self._needed(type_.type, False, None, set())
        ordered = self.module.ordered(lambda t: list(needed(t)))
        seen, ahead = set(), []
        for type_ in ordered:
            for ref in type_.refs():
                if ref.kind == "named" and ref.name not in seen and ref.name not in ahead and (
                        self.module.by_name[ref.name].kind == "struct" and ref.name != type_.name):
                    ahead.append(ref.name)
            seen.add(type_.name)
        return ordered, ahead

    def _needed(self, ref, by_value, owner, seen):
        if ref.kind == "named":
            type_ = self.module.by_name[ref.name]
            if type_.name in self.kept:
                return
            if type_.kind == "struct":
                if by_value and not (owner and self._holds_itself(type_.name, owner)):
                    yield type_.name
                return
            yield type_.name
            if by_value and type_.name not in seen:
                seen.add(type_.name)
                for inner in [c.type for c in type_.cases] + ([type_.type] if type_.type else []):
                    yield from self._needed(inner, True, owner, seen)
        elif ref.kind == "map" or (ref.kind == "list" and self.of(ref).startswith("std::vector")):
            for inner in ref.inner():
                yield from self._needed(inner, False, owner, seen)
        else:
            for inner in ref.inner():
                yield from self._needed(inner, by_value, owner, seen)

    # ---- Choices ----

    def classes(self, ref):
        """The kinds of CBOR items that a value may be."""
        ref = self.module.resolve(ref)
        if ref.kind == "named":
            kind = self.module.by_name[ref.name].kind
            return _ALL if kind == "alias" else {"text"} if kind == "enum" else {"map"}
        if ref.kind == "nullable":
            return self.classes(ref.of) | {"null"}
        if ref.kind == "choice":
            return set().union(*(self.classes(each) for each in ref.of))
        if ref.kind == "literal":
            value = ref.value
            return {"bool"} if isinstance(value, bool) else {"int"} if isinstance(value, int) else {"text"} if (
                isinstance(value, str)) else _ALL
        return _CLASSES.get(ref.kind, _ALL)

    def told_apart(self, refs):
        """Whether a std::variant of these can be read: the codec refuses alternatives that look alike."""
        return len(refs) > 0 and all(self._differ(a, b) for i, a in enumerate(refs) for b in refs[i + 1:])

    def _differ(self, one, other):
        if not self.classes(one) & self.classes(other):
            return True
        one, other = self.module.resolve(one), self.module.resolve(other)
        if other.kind == "any":
            return one.kind != "any"
        if one.kind == "int" and other.kind == "float" and one.unit is None:
            return True
        if one.kind == other.kind == "named":
            a, b = self.module.by_name[one.name], self.module.by_name[other.name]
            if a.kind == b.kind == "struct":
                return self._lacks(a, b) or self._lacks(b, a)
            if a.kind == b.kind == "enum":
                return not {v.value for v in a.values} & {v.value for v in b.values}
        return one.kind == "named" and other.kind == "text" and self.module.by_name[one.name].kind == "enum"

    @staticmethod
    def _lacks(one, other):
        known = {m.name for m in other.members}
        return any(not m.optional and m.type.kind != "nullable" and m.name not in known for m in one.members)


def integer(value):
    """An integer of C++ that no warning is for."""
    if value > 2**63 - 1:
        return f"{value}u"
    if value == -2**63:
        return "(-9223372036854775807 - 1)"
    return str(value)


def real(value):
    if value != value:
        return "std::numeric_limits<double>::quiet_NaN()"
    if value in (float("inf"), float("-inf")):
        return ("-" if value < 0 else "") + "std::numeric_limits<double>::infinity()"
    return json.dumps(value)
