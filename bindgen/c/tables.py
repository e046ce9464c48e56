# SPDX-License-Identifier: Apache-2.0
"""The declarations of types, and their descriptions for the codec."""
import clang_layout as layout
from text import c_string

_KINDS = {"maybe": "MAYBE", "fixed": "FIXED"}


class Tables:
    def __init__(self, types, names):
        self.types, self.names = types, names
        self._alternatives = {}

    # ---- The header ----

    def declaration(self, made):
        """The definition of a type; nothing for a literal."""
        if made.kind == "literal":
            return ""
        doc = layout.block(made.doc)
        if made.kind == "enum":
            return doc + self._enum(made)
        lines = "".join(self._members(made))
        before = ""
        if made.kind in ("choice", "tagged"):
            before = self._kinds(made)
        return f"{before}{doc}{made.decl} {{\n{lines}}};\n"

    def _enum(self, made):
        body = "".join(layout.block(f.doc, 2) + f"  {f.name},\n" for f in made.fields)
        return f"{made.decl} {{\n{body}}};\n"

    def _kinds(self, made):
        values = [self.names.enumerator(made.tag, "none")]
        values += [self.names.enumerator(made.tag, f.name) for f in made.fields]
        body = "".join(f"  {value},\n" for value in values)
        return f"enum {made.tag}_kind {{\n{body}}};\n\n"

    def _members(self, made):
        if made.kind == "list":
            return [f"  {made.of.decl}* items;\n", "  size_t count;\n"]
        if made.kind == "map":
            return [f"  struct {made.tag}_entry* items;\n", "  size_t count;\n"]
        if made.kind == "array":
            return [f"  {made.of.decl} items[{made.count}];\n"]
        if made.kind == "fixed":
            return [f"  uint8_t data[{max(made.count, 1)}];\n"]
        if made.kind in ("choice", "tagged"):
            fields = "".join(self._member(f, 4) for f in made.fields)
            return [f"  enum {made.tag}_kind kind;\n", f"  union {{\n{fields}  }} as;\n"]
        if made.kind == "maybe":
            return ["  bool has;\n", self._member(made.fields[0])]
        return [self._member(f) for f in made.fields] or ["  char unused;\n"]

    @staticmethod
    def _member(field, indent=2):
        doc = field.doc
        if field.default:
            doc = f"{doc}; " if doc else ""
            doc += f"if it is absent: {field.default}"
        space = " " * indent
        has = f"{space}bool {field.has};\n" if field.has else ""
        return layout.block(doc, indent) + has + f"{space}{field.type.decl} {field.name};\n"

    # ---- The source ----

    def forward(self, ordered):
        return [f"static const bp_typed_type {made.table};" for made in self._described(ordered)]

    def _described(self, ordered):
        return [made for made in ordered if made.kind != "entry"] + self.types.used_pointers()

    def texts(self, ordered):
        return [self._table(made) for made in self._described(ordered)]

    def _table(self, made):
        kind = "BP_TYPED_" + _KINDS.get(made.kind, made.kind.upper())
        size = "sizeof(bp_nothing)" if made.kind == "literal" else f"sizeof({made.decl})"
        values = [f".name = {c_string(made.wire_name)}", f".kind = {kind}", f".size = {size}"]
        before = ""
        if made.kind == "map":
            values.append(f".entry = sizeof(struct {made.tag}_entry)")
        if made.of is not None:
            values.append(f".of = &{made.of.table}")
        if made.fields:
            before = self._fields(made)
            values.append(f".fields = {made.tag}_fields")
        count = len(made.fields) if made.kind in ("struct", "enum", "tuple", "choice", "tagged") else made.count
        if made.kind == "pointer":
            count = 1 if made.nullable else 0
        if made.kind == "list":
            values += [f".least = {made.least}"] if made.least else []
            values.append(f".most = {'UINT64_MAX' if made.most is None else made.most}")
        if made.kind == "literal":
            count = len(made.literal)
            data = ", ".join(f"0x{byte:02x}" for byte in made.literal)
            before = f"// clang-format off\nstatic const uint8_t {made.table}_bytes[] = {{{data}}};\n// clang-format on\n"
            values.append(f".bytes = {made.table}_bytes")
        if count:
            values.append(f".count = {count}")
        return before + _initializer(f"static const bp_typed_type {made.table}", values)

    def _fields(self, made):
        owner = f"struct {made.tag}_entry" if made.kind == "map" else made.decl
        lines = []
        for f in made.fields:
            name = f"{c_string(f.wire)}, {len(f.wire.encode())}" if f.wire or made.kind in ("struct", "tagged", "enum") else (
                "NULL, 0")
            if made.kind == "enum":
                lines.append(f"    {{{name}, 0, SIZE_MAX, NULL, 0}},\n")
                continue
            inside = f"as.{f.name}" if made.kind in ("choice", "tagged") else f.name
            has = f"offsetof({owner}, {f.has})" if f.has else "SIZE_MAX"
            flags = "|".join(["BP_TYPED_MAY_BE_ABSENT"] * f.absent + ["BP_TYPED_NULLABLE"] * f.nullable) or "0"
            lines.append(f"    {{{name}, offsetof({owner}, {inside}), {has}, &{f.type.table}, {flags.replace('|', ' | ')}}},\n")
        return (f"// clang-format off\nstatic const bp_typed_field {made.tag}_fields[] = {{\n{''.join(lines)}}};\n"
                "// clang-format on\n")


def _initializer(head, values):
    one = f"{head} = {{{', '.join(values)}}};"
    if len(one) <= layout.WIDTH:
        return one + "\n"
    return f"// clang-format off\n{head} = {{\n    " + ",\n    ".join(values) + ",\n};\n// clang-format on\n"
