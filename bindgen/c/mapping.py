# SPDX-License-Identifier: Apache-2.0
"""What the refs of an outline are in C: types, and the descriptions that the codec of backplane/typed/ reads."""
import json
import struct
from dataclasses import dataclass, field

from names import snake, tail, words
_SCALARS = {"null": ("bp_nothing", "null"), "bool": ("bool", "bool"), "text": ("bp_str", "text"),
            "bytes": ("bp_bytes", "bytes"), "any": ("bp_bytes", "any"), "raw": ("bp_bytes", "raw")}


@dataclass
class CField:
    """A member, item, alternative or value."""
    name: str = ""                  # in C
    wire: str = ""
    type: object = None             # a CType
    doc: str = ""
    has: str = ""                   # the name of its bool
    absent: bool = False
    nullable: bool = False
    default: str = ""


@dataclass(eq=False)
class CType:
    """`decl`: the C type. `table`: the name of its description."""
    kind: str
    decl: str
    table: str
    doc: str = ""
    wire_name: str = ""
    fields: list = field(default_factory=list)
    of: object = None
    count: int = 0
    least: int = 0
    most: object = None
    nullable: bool = False          # of a pointer
    literal: bytes = b""

    @property
    def tag(self):
        """The name after `struct` or `enum`."""
        return self.decl.partition(" ")[2]

    def by_value(self):
        """The types that must be complete before this one."""
        if self.kind in ("struct", "tuple", "choice", "tagged", "maybe", "entry"):
            return [f.type for f in self.fields]
        return [self.of] if self.kind == "array" else []


class Types:
    """The C types of a module, in the order of their declarations: `defined`."""

    def __init__(self, module, prefix, tags, fields):
        self.module, self.prefix, self.tags, self.new_fields = module, prefix, tags, fields
        self.defined, self._by_ref, self._named, self.pointers = [], {}, {}, []
        self._reaches = {}
        for type_ in module.types:
            self._named[type_.name] = None
        names = {t.name: tags.take(f"{prefix}_{tail(t.name)}") for t in module.types if self._composite(t)}
        for type_ in module.types:
            if type_.name in names:
                self._named[type_.name] = self._declared(type_, names[type_.name])
        for type_ in module.types:  # after all have a name, their insides
            if type_.name in names:
                self._fill(type_)

    # ---- What a ref is ----

    def of(self, ref, owner=None):
        """The CType of a ref. `owner`: the name of the type whose value would hold it."""
        if ref.kind == "named":
            type_ = self.module.by_name[ref.name]
            made = self._named[ref.name]
            if made is None:
                return self.of(type_.type, owner)
            if owner is not None and made.kind != "enum" and self._needs_pointer(ref.name, owner):
                return self._pointer(made, False)
            return made
        if ref.kind in _SCALARS and ref.size is None:
            decl, name = _SCALARS[ref.kind]
            return CType(ref.kind, decl, f"bp_typed_{name}")
        if ref.kind == "int":
            name = f"{'' if ref.signed else 'u'}int{ref.bits}"
            return CType("int", f"{name}_t", f"bp_typed_{name}")
        if ref.kind == "float":
            return CType("float", "float" if ref.bits == 32 else "double", f"bp_typed_{'single' if ref.bits == 32 else 'double'}")
        if ref.kind == "nullable":
            inner = self.of(ref.of, owner)
            if inner.kind == "pointer":
                return self._pointer(inner.of, True)
            if inner.kind in ("null", "any", "maybe") or (inner.kind == "pointer" and inner.nullable):
                return inner
        return self._made(ref)

    def _made(self, ref):
        """A type that has no name in the interface: one for all refs that say the same."""
        if ref.text not in self._by_ref:
            name = f"{self.prefix}_{self.part(ref)}"
            made = self._declared_ref(ref, self.tags.take(name if len(name) <= 60 else f"{self.prefix}_{ref.kind}"))
            self._by_ref[ref.text] = made
            self._fill_ref(made, ref)
        return self._by_ref[ref.text]

    def _pointer(self, made, nullable):
        table = f"{made.table}_pointer" + ("_or_null" if nullable else "")
        for known in self.pointers:
            if known.table == table:
                return known
        self.pointers.append(CType("pointer", f"{made.decl}*", table, wire_name=made.wire_name, of=made, nullable=nullable))
        return self.pointers[-1]

    def part(self, ref):
        """A ref as a part of a name."""
        if ref.kind == "named":
            return snake(ref.name)
        if ref.kind == "int":
            return f"{'' if ref.signed else 'u'}int{ref.bits}"
        if ref.kind == "float":
            return "single" if ref.bits == 32 else "double"
        if ref.kind == "bytes":
            return "bytes" if ref.size is None else f"bytes{ref.size}"
        if ref.kind == "nullable":
            return f"optional_{self.part(ref.of)}"
        if ref.kind == "list":
            exact = ref.most is not None and ref.least == ref.most
            return self.part(ref.of) + (f"_array{ref.most}" if exact else "_list")
        if ref.kind == "map":
            return self.part(ref.value) + ("_map" if self.module.resolve(ref.key).kind == "text" else
                                           f"_by_{self.part(self.module.resolve(ref.key))}")
        if ref.kind == "tuple":
            return "_".join([self.part(item) for item in ref.items] + ["tuple"])
        if ref.kind == "choice":
            return "_or_".join(self.part(each) for each in ref.of)
        if ref.kind == "literal":
            return "_".join(words(str(ref.value)))[:24]
        return ref.kind

    # ---- Named types ----

    def _composite(self, type_):
        """Whether C needs a type of its own. An alias of a scalar is the scalar."""
        ref = type_.type
        return type_.kind != "alias" or ref.kind in ("list", "map", "tuple", "choice") or (
            ref.kind == "bytes" and ref.size is not None) or (
                ref.kind == "nullable" and self.module.resolve(ref.of).kind not in ("null", "any", "nullable"))

    def _declared(self, type_, tag):
        kind = type_.kind if type_.kind != "alias" else None
        made = CType(kind or "", f"{'enum' if kind == 'enum' else 'struct'} {tag}", f"{tag}_type", type_.doc, type_.name)
        if kind is None:
            made.kind = self._kind(type_.type)
            self._by_ref.setdefault(type_.type.text, made)
        return made

    def _declared_ref(self, ref, tag):
        return CType(self._kind(ref), f"struct {tag}", f"{tag}_type", "", tag)

    @staticmethod
    def _kind(ref):
        if ref.kind == "list":
            return "array" if ref.most is not None and ref.least == ref.most and 0 < ref.most <= 256 else "list"
        return {"nullable": "maybe", "bytes": "fixed"}.get(ref.kind, ref.kind)

    def _fill(self, type_):
        made = self._named[type_.name]
        if type_.kind == "alias":
            self._fill_ref(made, type_.type)
        elif type_.kind == "enum":
            made.fields = [CField(self.tags.enumerator(made.tag, v.value), v.value, None, v.doc) for v in type_.values]
        elif type_.kind == "tagged":
            scope = self.new_fields()
            for case in type_.cases:
                made.fields.append(CField(scope.take(snake(case.name)), case.name, self.of(case.type, type_.name), case.doc))
        else:
            scope = self.new_fields()
            for member in type_.members:
                made.fields.append(self._member(member, scope, type_.name))
        self.defined.append(made)

    def _member(self, member, scope, owner):
        ref, nullable = member.type, member.type.kind == "nullable"
        inner = self.of(ref.of if nullable else ref, owner)
        name = scope.take(snake(member.name))
        made = CField(name, member.name, inner, member.doc, absent=member.optional,
                      nullable=nullable or (member.optional and not member.has_default))
        if (nullable or member.optional) and inner.kind == "pointer":
            made.type = self._pointer(inner.of, True)
        elif (nullable and inner.kind not in ("null", "any", "maybe")) or member.optional:
            made.has = scope.take(f"has_{name}")
        if member.has_default and member.default is not None:
            made.default = _shown(member.default)
        return made

    # ---- Types without a name ----

    def _fill_ref(self, made, ref):
        if ref.kind == "list":
            made.of, made.least, made.most = self.of(ref.of), ref.least, ref.most
            made.count = ref.most if made.kind == "array" else 0
            if made.kind == "array":
                made.of = self._held(ref.of)
        elif ref.kind == "map":
            made.fields = [CField("key", type=self.of(ref.key)), CField("value", type=self.of(ref.value))]
            self.defined.append(CType("entry", f"{made.decl}_entry", "", fields=made.fields))
        elif ref.kind == "tuple":
            made.fields = [CField(f"item{i}", type=self._held(item)) for i, item in enumerate(ref.items)]
        elif ref.kind == "choice":
            scope = self.new_fields()
            made.fields = [CField(scope.take(self.part(each)), type=self._held(each)) for each in ref.of]
        elif ref.kind == "nullable":
            made.of = self._held(ref.of)
            made.fields = [CField("value", type=made.of)]
        elif ref.kind == "bytes":
            made.count = ref.size
        elif ref.kind == "literal":
            made.decl, made.literal = "bp_nothing", encoded(ref.value)
        if made.wire_name not in self.module.by_name:
            self.defined.append(made)

    def _held(self, ref):
        """A ref inside of a type without a name: a pointer, if its value may hold another such."""
        if ref.kind == "named" and self._named[ref.name] is not None and self._named[ref.name].kind != "enum" and (
                self.module.is_recursive(ref.name) and ref.name in self._reach(ref.name)):
            return self._pointer(self._named[ref.name], False)
        return self.of(ref)

    def _needs_pointer(self, name, owner):
        return name == owner or (self.module.same_cycle(name, owner) and owner in self._reach(name))

    def _reach(self, name):
        if name not in self._reaches:
            self._reaches[name] = self.module.reach(name, lambda ref: self._kind(ref) == "array")
        return self._reaches[name]

    def ordered(self):
        """The types such that each comes after those that it holds by value."""
        done, out = set(), []
        for start in self.defined:
            stack = [] if id(start) in done else [(start, iter(start.by_value()))]
            done.add(id(start))
            while stack:
                made, needed = stack[-1]
                for other in needed:
                    if id(other) not in done and other.table.endswith("_type"):
                        done.add(id(other))
                        stack.append((other, iter(other.by_value())))
                        break
                else:
                    out.append(made)
                    stack.pop()
        return out

    def used_pointers(self):
        used = {f.type.table for made in self.defined for f in made.fields if f.type is not None}
        used |= {made.of.table for made in self.defined if made.of is not None}
        return [made for made in self.pointers if made.table in used]


def _shown(value):
    """A default, for people."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, int, float, str)) else "what its type says"


def encoded(value):
    """A literal as CBOR."""
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        for extra, form, bound in ((24, ">B", 2**8), (25, ">H", 2**16), (26, ">I", 2**32), (27, ">Q", 2**64)):
            if number < bound:
                return bytes([major << 5 | extra]) + struct.pack(form, number)
        raise ValueError(f"{number} does not fit 64 bits")
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    return head(3, len(value.encode())) + value.encode()
