# SPDX-License-Identifier: Apache-2.0
"""The declarations of types: structs and enums with their descriptions, tagged types and aliases."""
import re

import clang_layout as layout
from cpp.mapping import CBOR, integer, real
from names import Scope, wire_member
from outline import Ref
from text import c_string

MOST = 50  # members or enumerators that the macros of Boost.Describe take


class Declarations:
    def __init__(self, types, reserved):
        self.types, self.module, self.reserved = types, types.module, reserved

    def of(self, type_):
        name, doc = self.types.names[type_.name], layout.comment(type_.doc)
        if type_.name in self.types.kept:
            return doc + layout.comment("It contains itself, so it stays encoded.") + f"using {name} = {CBOR};\n"
        return doc + {"struct": self._struct, "enum": self._enum, "tagged": self._tagged, "alias": self._alias}[type_.kind](
            name, type_)

    # ---- Structs ----

    def _struct(self, name, type_):
        scope = Scope(self.reserved)
        members = [(scope.take(wire_member(m.name)), m) for m in type_.members]
        plain = len(members) <= MOST and all(own in (m.name, m.name + "_") and not (own == m.name and own.endswith("_"))
                                             for own, m in members)
        lines, defaulted = [], []
        for own, member in members:
            text, is_default = self._member(own, member, type_.name, plain)
            if is_default:
                defaulted.append(own)
            lines.append(layout.comment(_bounded(member.doc, member.type), 2) + text)
        body = f"struct {name} {{\n{''.join(lines)}}};\n" if lines else f"struct {name} {{}};\n"
        body += layout.describe_struct(name, [own for own, _ in members]) if plain else _described(name, members)
        if defaulted:
            body += layout.call_macro("BACKPLANE_DEFAULTS", [name] + defaulted)
        return body

    def _member(self, own, member, owner, plain):
        """The declaration, and whether the member has its default if it is absent."""
        ref = member.type
        if member.optional and ref.kind != "nullable":
            default = self._default(ref, member.default) if member.has_default and plain else None
            if default is not None:
                return layout.member(self.types.of(ref, owner), f"{own} = {default}"), True
            ref = Ref("nullable", None, of=ref, text="optional " + ref.text)
        elif member.optional and member.has_default and member.default is not None:
            default = self._default(ref.of, member.default)
            if default is not None:
                return layout.member(self.types.of(ref, owner), f"{own} = {default}"), False
        type_ = self.types.of(ref, owner)
        if member.type.kind == "nullable" and not member.optional:  # it must be there
            type_ = re.sub("^std::optional<", "client::Nullable<", type_)
            type_ = re.sub("^std::unique_ptr<", "client::NullablePointer<", type_)
        return layout.member(type_, own + ("" if "_ptr<" in type_ or "NullablePointer<" in type_ else " = {}")), False

    def _default(self, ref, value):
        """The initializer for a default, or None if C++ has none for it."""
        ref = self.module.resolve(ref)
        if ref.kind == "named":
            type_ = self.module.by_name[ref.name]
            return (f"{self.types.names[ref.name]}::{dict(self._enumerators(type_))[value]}"
                    if type_.kind == "enum" and value in {v.value for v in type_.values} else None)
        if ref.kind == "bool" and isinstance(value, bool):
            return "true" if value else "false"
        if ref.kind == "int" and isinstance(value, int) and not isinstance(value, bool):
            return integer(value) if ref.unit is None else f"{self.types.of(ref)}({integer(value)})"
        if ref.kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return real(float(value))
        if ref.kind == "text" and isinstance(value, str) and "\0" not in value:
            return c_string(value)
        return None

    # ---- Enums ----

    def _enumerators(self, type_):
        scope = Scope(self.reserved)
        return [(v.value, scope.take(wire_member(v.value))) for v in type_.values]

    def _enum(self, name, type_):
        values = self._enumerators(type_)
        docs = {v.value: v.doc for v in type_.values}
        if any(docs.values()):
            body = "".join(layout.comment(docs[wire], 2) + f"  {own},\n" for wire, own in values)
            text = f"enum class {name} {{\n{body}}};\n"
        else:
            text = layout.enum(name, [own for _, own in values])
        if len(values) <= MOST and all(own in (wire, wire + "_") and not (own == wire and own.endswith("_"))
                                       for wire, own in values):
            return text + layout.call_macro("BOOST_DESCRIBE_ENUM", [name] + [own for _, own in values])
        entries = "".join(
            f"  struct E{i} {{\n    static constexpr auto value() noexcept {{ return {name}::{own}; }}\n"
            f"    static constexpr auto name() noexcept {{ return {c_string(wire + '_')}; }}\n  }};\n"
            for i, (wire, own) in enumerate(values))
        made = layout.fill("  return boost::describe::detail::enum_descriptor_fn_impl(",
                           ["0"] + [f"E{i}()" for i in range(len(values))], ");")
        return (f"{text}// clang-format off\ninline auto boost_enum_descriptor_fn({name}**) {{\n{entries}{made}}}\n"
                "// clang-format on\n")

    # ---- Others ----

    def _tagged(self, name, type_):
        if not all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", case.name) for case in type_.cases):
            return f"using {name} = {CBOR};\n"
        cases = [f"backplane::As<{c_string(case.name)}, {self.types.of(case.type, type_.name)}>" for case in type_.cases]
        docs = "".join(layout.comment(f"{case.name}: {case.doc}") for case in type_.cases if case.doc)
        return docs + layout.using(name, "backplane::Tagged", cases)

    def _alias(self, name, type_):
        bound = layout.comment(_bounded("", type_.type))
        return bound + f"using {name} = {self.types.of(type_.type)};\n"


def _bounded(doc, ref):
    """A doc, with the bounds of a list that no type of C++ has."""
    ref = ref.of if ref.kind == "nullable" else ref
    if ref.kind != "list" or (ref.least == 0 and ref.most is None) or ref.least == ref.most:
        return doc
    bounds = f"{ref.least} or more" if ref.most is None else f"{ref.least} to {ref.most}"
    return f"{doc} ({bounds} elements)" if doc else f"{bounds} elements"


def _described(name, members):
    """What BOOST_DESCRIBE_STRUCT does, for names on the wire that C++ has not. The codec drops a `_` at the end."""
    entries = "".join(
        f"  struct M{i} {{\n    static constexpr auto pointer() noexcept {{ return &{name}::{own}; }}\n"
        f"    static constexpr auto name() noexcept {{ return {c_string(member.name + '_')}; }}\n  }};\n"
        for i, (own, member) in enumerate(members))
    made = layout.fill("  return boost::describe::detail::member_descriptor_fn_impl<boost::describe::mod_public>(",
                       ["0"] + [f"M{i}()" for i in range(len(members))], ");")
    return ("// clang-format off\n"
            f"inline auto boost_base_descriptor_fn({name}**) {{ return boost::describe::detail::list<>(); }}\n"
            f"inline auto boost_public_member_descriptor_fn({name}**) {{\n{entries}{made}}}\n"
            f"inline auto boost_protected_member_descriptor_fn({name}**) {{ return boost::describe::detail::list<>(); }}\n"
            f"inline auto boost_private_member_descriptor_fn({name}**) {{ return boost::describe::detail::list<>(); }}\n"
            "// clang-format on\n")
