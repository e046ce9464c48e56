# SPDX-License-Identifier: Apache-2.0
"""Refs as types of TypeScript, and as the descriptors that write and read their values."""
from typescript.layout import call, literal, string


class Refs:
    """`names`: the name in TypeScript of each type of the module."""

    def __init__(self, module, names):
        self._module = module
        self._names = names

    def name(self, type_):
        return self._names[type_.name]

    def type(self, ref, nothing=None):
        """The type of a value; `nothing` stands for no ref."""
        if ref is None:
            return nothing
        return getattr(self, "_type_" + ref.kind, self._type_simple)(ref)

    def alternatives(self, ref):
        """The parts of a union, or the one type."""
        if ref.kind == "nullable":
            return self.alternatives(ref.of) + ["null"]
        if ref.kind == "choice":
            return list(dict.fromkeys(part for each in ref.of for part in self.alternatives(each)))
        return [self.type(ref)]

    def _type_simple(self, ref):
        return {"bool": "boolean", "text": "string", "bytes": "Uint8Array", "any": "bp.Value", "null": "null",
                "raw": "Uint8Array", "float": "number"}[ref.kind]

    def _type_int(self, ref):
        return "bigint" if ref.bits == 64 else "number"

    def _type_named(self, ref):
        return self._names[ref.name]

    def _type_nullable(self, ref):
        return " | ".join(self.alternatives(ref))

    _type_choice = _type_nullable

    def _type_list(self, ref):
        inner = self.type(ref.of)
        return f"({inner})[]" if " | " in inner and not inner.endswith((">", "]")) else f"{inner}[]"

    def _type_map(self, ref):
        if self._has_text_keys(ref):
            return f"Record<string, {self.type(ref.value)}>"
        return f"Map<{self.type(ref.key)}, {self.type(ref.value)}>"

    def _type_tuple(self, ref):
        return "[" + ", ".join(self.type(item) for item in ref.items) + "]"

    def _type_literal(self, ref):
        return "Uint8Array" if isinstance(ref.value, bytes) else literal(ref.value)

    def _has_text_keys(self, ref):
        return self._module.resolve(ref.key).kind == "text"

    def codec(self, ref):
        """The expression of a descriptor; `null` for no ref."""
        if ref is None:
            return "null"
        if ref.kind == "int":
            return f"bp.{'int' if ref.signed else 'uint'}{ref.bits}"
        if ref.kind == "float":
            return f"bp.float{ref.bits}"
        if ref.kind == "named":
            return self._names[ref.name]
        if ref.kind == "null":
            return "bp.nothing"
        if ref.kind == "bytes" and ref.size is not None:
            return f"bp.sizedBytes({ref.size})"
        if ref.kind in ("bool", "text", "bytes", "any", "raw"):
            return f"bp.{ref.kind}"
        return getattr(self, "_codec_" + ref.kind)(ref)

    def _codec_nullable(self, ref):
        return f"bp.nullable({self.codec(ref.of)})"

    def _codec_list(self, ref):
        bounds = [str(ref.least)] if ref.least or ref.most is not None else []
        bounds += [str(ref.most)] if ref.most is not None else []
        return f"bp.list({', '.join([self.codec(ref.of)] + bounds)})"

    def _codec_map(self, ref):
        if self._has_text_keys(ref):
            return f"bp.textMap({self.codec(ref.value)})"
        return f"bp.keyMap({self.codec(ref.key)}, {self.codec(ref.value)})"

    def _codec_tuple(self, ref):
        return f"bp.tuple({', '.join(self.codec(item) for item in ref.items)})"

    def _codec_choice(self, ref):
        return f"bp.choice({', '.join(self.codec(each) for each in ref.of)})"

    def _codec_literal(self, ref):
        return f"bp.literal({literal(ref.value)})"

    def member_type(self, member):
        """The parts of the type of a struct's member: what an optional one may also be is undefined."""
        ref = member.type
        if member.optional and self.absent_is_null(member):
            ref = ref.of
        parts = self.alternatives(ref)
        return parts + ["undefined"] if member.optional and parts != ["bp.Value"] else parts

    def absent_is_null(self, member):
        """An optional member that may be null, without a default: absent and null are the same."""
        return member.optional and member.type.kind == "nullable" and not self.has_default(member)

    @staticmethod
    def has_default(member):
        return member.has_default and isinstance(member.default, (bool, str, int, float, bytes, type(None)))

    def member(self, member):
        """The fields of a member's descriptor."""
        fields = [("name", string(member.name))]
        ref = member.type
        if self.absent_is_null(member):
            ref = ref.of
        fields.append(("type", self.codec(ref)))
        if member.optional:
            fields.append(("optional", "true"))
            if self.absent_is_null(member):
                fields.append(("absentIsNull", "true"))
            elif self.has_default(member):
                fields.append(("default", self._value(member.type, member.default)))
        return fields

    def _value(self, ref, value):
        ref = self._module.resolve(ref)
        if ref.kind == "nullable":
            return self._value(ref.of, value)
        if ref.kind == "int" and ref.bits == 64 and isinstance(value, int) and not isinstance(value, bool):
            return f"{value}n"
        return literal(value)

    def struct(self, type_):
        """The descriptor of a struct, behind its `=`."""
        if not type_.members:
            return "bp.struct(() => []);"
        lines = [call("", [f"{name}: {value}" for name, value in self.member(member)], ",", 2, "{", "}")
                 for member in type_.members]
        return "bp.struct(() => [\n" + "\n".join(lines) + "\n]);"

    @staticmethod
    def docs(values):
        """The items of a list that tells what each value or case is for."""
        names = [(getattr(each, "value", None) or getattr(each, "name", ""), each.doc) for each in values]
        return [f"`{name}`: {doc}" for name, doc in names if doc]

    @staticmethod
    def strings(values):
        return [string(each.value) for each in values]

    def cases(self, type_):
        return [f"{{ kind: {string(each.name)}; value: {self.type(each.type)} }}" for each in type_.cases]

    def case_codecs(self, type_):
        return [f"[{string(each.name)}, {self.codec(each.type)}]" for each in type_.cases]
