# SPDX-License-Identifier: Apache-2.0
"""The declarations of a module's types, each with how it is written and read."""
from names import Scope, pascal, snake
from rust import layout
from rust.keywords import KEYWORDS, LOCALS
from rust.mapping import CHOICE, variants

DERIVES = "#[derive(Clone, Debug, PartialEq)]\n"


def declare(types, type_):
    """The text of one type of the outline."""
    name = types.names[type_.name]
    if type_.kind == "struct":
        return _Struct(types, type_, name).text()
    if type_.kind == "enum":
        return _text_enum(type_, name)
    if type_.kind == "tagged":
        return _tagged(types, type_, name)
    if type_.type.kind in ("choice", "literal"):
        return layout.doc(type_.doc) + unnamed(types, name, type_.type) \
            if types.made[type_.type] == name else _alias(types, type_, name, types.made[type_.type])
    if types.is_nested(type_):
        return _wrapper(types, type_, name)
    return _alias(types, type_, name, types.of(type_.type, type_.name))


def unnamed(types, name, ref):
    """A choice or a literal, which the outline has no name for."""
    return _choice(types, name, ref) if ref.kind == "choice" else _literal(name, ref.value)


def _alias(_types, type_, name, target):
    return layout.doc(type_.doc) + f"pub type {name} = {target};\n"


def _codec(name, encode, decode, out="out", data="data"):
    return (f"\nimpl Encode for {name} {{\n"
            f"    fn encode(&self, {out}: &mut Encoder) {{\n{encode}    }}\n}}\n"
            f"\nimpl Decode for {name} {{\n"
            f"    fn decode({data}: &mut Decoder<'_>) -> Result<Self, DecodeError> {{\n{decode}    }}\n}}\n")


class _Struct:
    def __init__(self, types, type_, name):
        self.types, self.type, self.name = types, type_, name
        fields, locals_ = Scope(KEYWORDS), Scope(KEYWORDS | LOCALS)
        self.members = []
        for member in type_.members:
            defaulted = types.has_value(member)
            rust = types.of(member.type, type_.name)
            optional = member.optional and not defaulted
            if optional and member.type.kind != "nullable":
                rust = f"Option<{rust}>"
            self.members.append((member, fields.take(snake(member.name)), locals_.take(_local(member.name)), rust, optional))

    def text(self):
        plain = all(not self.types.has_value(m) for m, *_ in self.members)
        has_default = self.types.struct_has_default(self.type)
        derives = DERIVES.replace("PartialEq", "Default, PartialEq") if plain and has_default else DERIVES
        text = layout.doc(self.type.doc) + derives
        if not self.members:
            text += f"pub struct {self.name} {{}}\n"
        else:
            text += f"pub struct {self.name} {{\n"
            for member, field, _, rust, _ in self.members:
                unit = f"in {_unit(member.type)}" if _unit(member.type) else ""
                text += layout.doc("; ".join(part for part in (member.doc, unit) if part), 4)
                text += layout.field(field, rust)
            text += "}\n"
        if has_default and not plain:
            text += self._default()
        elif not has_default and any(m.optional for m, *_ in self.members) and self.type.sent:
            text += self._new()
        return text + _codec(self.name, self._encode(), self._decode(), data="data" if self.members else "data")

    def _initial(self, member, optional):
        if self.types.has_value(member):
            return self.types.value(member.type, member.default)
        return "None" if optional else "Default::default()"

    def _default(self):
        fields = [f"{field}: {self._initial(member, optional)}" for member, field, _, _, optional in self.members]
        return (f"\nimpl Default for {self.name} {{\n    fn default() -> Self {{\n"
                f"        {layout.struct(self.name, fields, 8)}\n    }}\n}}\n")

    def _new(self):
        needed = [(field, rust) for member, field, _, rust, _ in self.members if not member.optional]
        head = layout.signature("pub fn new", [f"{f}: {rust}" for f, rust in needed], "Self", 4)
        fields = [f"{field}: {self._initial(member, optional)}" if member.optional else field
                  for member, field, _, _, optional in self.members]
        return (f"\nimpl {self.name} {{\n    /// With the members that must be there.\n{head}\n"
                f"        {layout.struct(self.name, fields, 8)}\n    }}\n}}\n")

    def _encode(self):
        optional = [field for _, field, _, _, is_optional in self.members if is_optional]
        count = len(self.members) - len(optional)
        text = ""
        if optional:
            text += f"        let mut members = {count};\n"
            text += "".join(layout.count_if_there(field) for field in optional)
        text += f"        out.map({'members' if optional else count});\n"
        for member, field, _, _, is_optional in self.members:
            head = "out.optional" if is_optional else "out.member"
            arguments = [layout.string(member.name), f"&self.{field}"]
            text += "        " + layout.call(head, arguments, ";", 8) + "\n"
        return text

    def _decode(self):
        if not self.members:
            return f"        backplane::Empty::decode(data)?;\n        Ok({self.name} {{}})\n"
        text = ""
        for _, _, local, _, _ in self.members:
            text += f"        let mut {local} = None;\n"
        text += ("        let mut map = data.map()?;\n"
                 "        while let Some(key) = data.key(&mut map)? {\n"
                 "            match &*key {\n")
        for member, _, local, _, _ in self.members:
            text += layout.arm(layout.string(member.name), f"data.read(&mut {local})", 16)
        text += ("                _ => data.unknown(),\n"
                 "            }\n"
                 "            .map_err(|e| e.in_member(&key))?;\n"
                 "        }\n")
        fields = []
        for member, field, local, _, optional in self.members:
            value, arguments = local, None
            if self.types.has_value(member):
                value = _default_of(local, self.types.value(member.type, member.default))
            elif optional:
                value = f"{local}.flatten()" if member.type.kind == "nullable" else local
            elif member.optional:
                value = f"{local}.unwrap_or_default()"
            else:
                value, arguments = "backplane::cbor::required", [local, layout.string(member.name)]
            fields.append(field if value == field else layout.initial(field, value, arguments, "?", 12))
        return text + f"        Ok({layout.struct(self.name, fields, 8)})\n"


def _local(name):
    """A variable for a member, which is never so long that rustfmt would break its line."""
    return snake(name)[:60].rstrip("_")


def _default_of(local, initial):
    if initial in ("String::new()", "Vec::new()", "None", "false", "0", "0.0"):
        return f"{local}.unwrap_or_default()"
    if initial.endswith(".to_string()"):
        return f"{local}.unwrap_or_else(|| {initial})"
    return f"{local}.unwrap_or({initial})"


def _unit(ref):
    while ref.kind in ("nullable", "list"):
        ref = ref.of
    return ref.unit if ref.kind == "int" else None


def _text_enum(type_, name):
    made = variants(type_)
    text = layout.doc(type_.doc)
    text += "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\n"
    text += f"pub enum {name} {{\n"
    for variant, value in made:
        text += layout.doc(value.doc, 4) + f"    {variant},\n"
    text += f"}}\n\nimpl {name} {{\n    /// All values.\n"
    names = [f"{name}::{variant}" for variant, _ in made]
    line = f"    pub const ALL: &'static [{name}] = &[{', '.join(names)}];\n"
    if len(", ".join(names)) > layout.CALL_WIDTH or len(line) > layout.WIDTH + 1:
        line = f"    pub const ALL: &'static [{name}] = &[\n" + "".join(f"        {n},\n" for n in names) + "    ];\n"
    text += line
    text += "\n    /// The text on the wire.\n    pub fn as_str(self) -> &'static str {\n        match self {\n"
    for variant, value in made:
        text += layout.arm(f"{name}::{variant}", layout.string(value.value), 12)
    text += "        }\n    }\n}\n"
    decode = "        let text = data.text()?;\n        match &*text {\n"
    for variant, value in made:
        decode += layout.arm(layout.string(value.value), f"Ok({name}::{variant})", 12)
    expected = " or ".join(f"\"{value.value}\"" for _, value in made)
    decode += "            _ => " + _refuse(expected, 12) + ",\n        }\n"
    return text + _codec(name, "        out.text(self.as_str());\n", decode)


def _refuse(expected, indent):
    return layout.call("backplane::cbor::refuse", ["&text", layout.string(expected)], "", indent)


def _tagged(types, type_, name):
    scope = Scope(KEYWORDS)
    made = [(scope.take(pascal(case.name)), case, types.of(case.type, type_.name)) for case in type_.cases]
    text = layout.doc(type_.doc) + DERIVES + f"pub enum {name} {{\n"
    for variant, case, rust in made:
        text += layout.doc(case.doc, 4) + f"    {variant}({rust}),\n"
    text += "}\n"
    encode = "        out.map(1);\n        match self {\n"
    for variant, case, _ in made:
        encode += layout.arm_call(f"{name}::{variant}(value)", "out.member", [layout.string(case.name), "value"], 12)
    encode += "        }\n"
    decode = ("        let mut found = None;\n"
              "        let mut map = data.map()?;\n"
              "        while let Some(key) = data.key(&mut map)? {\n"
              "            match &*key {\n")
    for variant, case, _ in made:
        decode += layout.arm_call(layout.string(case.name), "data.case", ["&mut found", f"{name}::{variant}"], 16)
    expected = ", ".join(case.name for _, case, _ in made)
    decode += ("                _ => data.unknown(),\n"
               "            }\n"
               "            .map_err(|e| e.in_member(&key))?;\n"
               "        }\n"
               "        " + layout.call("backplane::cbor::one_of", ["found", layout.string(expected)], "", 8) + "\n")
    return text + _codec(name, encode, decode)


_KINDS = {"bool": ("Bool", "bool"), "text": ("Text", "text"), "bytes": ("Bytes", "bytes"), "any": ("Any", "anything"),
          "null": ("Null", "null"), "int": ("Int", "int"), "float": ("Float", "float"), "list": ("List", "array"),
          "map": ("Map", "map"), "tuple": ("Tuple", "array"), "nullable": ("Maybe", "null"), "raw": ("Raw", "bytes")}


def _choice(types, name, ref):
    scope, made, expected, forms = Scope(KEYWORDS), [], [], []
    for each in ref.of:
        target = types.module.resolve(each)
        forms.append(target.name if target.kind == "named" else target.kind)
        if each.kind == "named":
            label, kind = types.names[each.name], each.name
        elif each.kind == "literal":
            label = pascal(str(each.value)) if isinstance(each.value, str) else "Literal"
            kind = str(each.value)
        elif each.kind == "choice":
            label, kind = types.made[each], "another"
        else:
            label, kind = _KINDS[each.kind]
        rust = "" if each.kind == "null" else types.of(each, CHOICE)
        made.append((scope.take(label), rust))
        if kind not in expected:
            expected.append(kind)
    text = DERIVES + f"pub enum {name} {{\n"
    for variant, rust in made:
        text += f"    {variant}({rust}),\n" if rust else f"    {variant},\n"
    text += "}\n"
    for form, (variant, rust) in zip(forms, made):
        if rust and forms.count(form) == 1 and form not in ("choice", "literal", "null", "nullable", "tuple") and rust != name:
            text += (f"\nimpl From<{rust}> for {name} {{\n    fn from(value: {rust}) -> Self {{\n"
                     f"        {name}::{variant}(value)\n    }}\n}}\n")
    encode = "        match self {\n"
    for variant, rust in made:
        encode += layout.arm(f"{name}::{variant}(value)", "value.encode(out)", 12) if rust else \
            layout.arm(f"{name}::{variant}", "out.null()", 12)
    encode += "        }\n"
    decode = ""
    for variant, rust in made:
        if rust:
            decode += (f"        if let Some(value) = data.attempt() {{\n            return Ok({name}::{variant}(value));\n"
                       "        }\n")
        else:
            decode += f"        if data.take_null()? {{\n            return Ok({name}::{variant});\n        }}\n"
    decode += f"        {layout.call('data.expected', [layout.string(' or '.join(expected))], '', 8)}\n"
    return text + _codec(name, encode, decode)


def _literal(name, value):
    if isinstance(value, str):
        write, read, shown = f"out.text({layout.string(value)})", f"data.text()? == {layout.string(value)}", value
    elif isinstance(value, bool):
        text = "true" if value else "false"
        write, read, shown = f"out.bool({text})", f"data.bool()? == {text}", text
    elif isinstance(value, int):
        inside = -(2**63) <= value < 2**63
        write = f"out.int({value})" if inside else f"out.uint({value})" if value > 0 else f"out.negative({-1 - value})"
        read, shown = f"data.int()? == {value}", str(value)
    elif isinstance(value, float):
        text = layout.real(value)
        write, read, shown = f"out.f64({text})", f"data.f64()? == {text}", text
    elif isinstance(value, bytes):
        text = "&[" + ", ".join(str(b) for b in value) + "]"
        write, read, shown = f"out.bytes({text})", f"*data.bytes()? == *{text}", "bytes"
    else:
        write, read, shown = "out.null()", "data.take_null()?", "null"
    text = (f"/// Always {layout.string(shown)}.\n" if isinstance(value, str) else f"/// Always {shown}.\n")
    text += "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]\n" + f"pub struct {name};\n"
    refuse = layout.call("data.expected", [layout.string(f"the value {shown}")], "", 8)
    return text + _codec(name, f"        {write};\n",
                         f"        if {read} {{\n            return Ok({name});\n        }}\n        {refuse}\n")


def _wrapper(types, type_, name):
    inner = types.of(type_.type, type_.name)
    text = layout.doc(type_.doc) + DERIVES + f"pub struct {name}(pub {inner});\n"
    return text + _codec(name, "        self.0.encode(out);\n", f"        Decode::decode(data).map({name})\n")
