# SPDX-License-Identifier: Apache-2.0
"""Lines as rustfmt breaks them, for the few forms that generated code has."""
from text import clean, wrap

WIDTH = 100        # max_width
CALL_WIDTH = 60    # fn_call_width, and chain_width
STRUCT_WIDTH = 18  # struct_lit_width


def doc(text, indent=0, mark="///"):
    """A doc comment, or nothing. Rustdoc's own marks stand for themselves."""
    text = clean(text)
    if not text:
        return ""
    for char in "\\[]<>*`":
        text = text.replace(char, "\\" + char)
    pad = " " * indent
    return "".join(f"{pad}{mark} {line}\n" for line in wrap(text, WIDTH - indent - len(mark) - 1))


def plain_doc(text, indent=0, mark="///"):
    """The same for text that is written for rustdoc."""
    pad = " " * indent
    return "".join(f"{pad}{mark} {line}\n" for line in wrap(text, WIDTH - indent - len(mark) - 1))


def call(head, arguments, tail, indent, before=0):
    """`head(arguments)tail` as an expression at this indent, behind so many characters, without the first indent."""
    inside = ", ".join(arguments)
    line = f"{head}({inside}){tail}"
    if (len(inside) <= CALL_WIDTH or len(arguments) == 1) and indent + before + len(line) <= WIDTH:
        return line
    pad = " " * indent
    return f"{head}(\n" + "".join(f"{pad}    {a},\n" for a in arguments) + f"{pad}){tail}"


def chain(root, method, arguments, indent):
    """`root.method(arguments)`. The root is `self.0`, or a chain of calls behind it."""
    last = f".{method}({', '.join(arguments)})"
    if len(root + last) <= CALL_WIDTH and indent + len(root + last) <= WIDTH:
        return root + last
    if (len(last) - len(method) - 3 > CALL_WIDTH and len(arguments) > 1) or indent + 4 + len(last) > WIDTH:
        return call(f"{root}.{method}", arguments, "", indent, before=WIDTH)
    pad = " " * (indent + 4)
    first, *more = root.split(".", 2)
    return ".".join([first, more[0]]) + "".join(f"\n{pad}.{part}" for part in more[1:]) + f"\n{pad}{last}"


def initial(name, head, arguments, tail, indent):
    """A member of a struct's value: `name: head(arguments)tail`, or `name: head` if there are no arguments."""
    pad = " " * (indent + 4)
    if arguments is None:
        line = f"{name}: {head}"
        return line if indent + len(line) + 1 <= WIDTH else f"{name}:\n{pad}{head}"
    if indent + len(f"{name}: {head}(") <= WIDTH:
        return f"{name}: " + call(head, arguments, tail, indent, before=len(name) + 3)
    return f"{name}:\n{pad}" + call(head, arguments, tail, indent + 4, before=1)


def field(name, type_):
    """A member of a struct."""
    line = f"    pub {name}: {type_},"
    return line + "\n" if len(line) <= WIDTH else f"    pub {name}:\n        {type_},\n"


def count_if_there(name):
    """`members += usize::from(self.name.is_some());`"""
    value = f"self.{name}.is_some()"
    if len(value) <= CALL_WIDTH:
        return f"        members += usize::from({value});\n"
    return f"        members += usize::from(\n            self.{name}\n                .is_some(),\n        );\n"


def signature(head, parameters, result, indent):
    """A function's head up to its `{`."""
    pad = " " * indent
    result = f" -> {result}" if result else ""
    line = f"{pad}{head}({', '.join(parameters)}){result} {{"
    if len(line) <= WIDTH:
        return line
    return f"{pad}{head}(\n" + "".join(f"{pad}    {p},\n" for p in parameters) + f"{pad}){result} {{"


def struct(name, fields, indent):
    """A struct's value."""
    inside = ", ".join(fields)
    if len(inside) <= STRUCT_WIDTH and "\n" not in inside:
        return f"{name} {{ {inside} }}"
    pad = " " * indent
    return f"{name} {{\n" + "".join(f"{pad}    {field},\n" for field in fields) + f"{pad}}}"


def bound(name, parts, indent):
    """A line of a where clause."""
    pad = " " * indent
    line = f"{pad}{name}: {' + '.join(parts)},"
    if len(line) <= WIDTH:
        return line
    return f"{pad}{name}: {parts[0]}\n" + "\n".join(f"{pad}    + {part}" for part in parts[1:]) + ","


def arm(pattern, body, indent):
    """An arm of a match."""
    pad = " " * indent
    line = f"{pad}{pattern} => {body},"
    if len(line) <= WIDTH:
        return line + "\n"
    return f"{pad}{pattern} => {{\n{pad}    {body}\n{pad}}}\n"


def arm_call(pattern, head, arguments, indent):
    """An arm of a match whose body is a call."""
    pad, inside = " " * indent, ", ".join(arguments)
    line = f"{pad}{pattern} => {head}({inside}),"
    if len(inside) <= CALL_WIDTH and len(line) <= WIDTH:
        return line + "\n"
    body = call(head, arguments, "", indent + 4)
    return f"{pad}{pattern} => {{\n{pad}    {body}\n{pad}}}\n"


def constant(head, value):
    """`pub const NAME: TYPE = VALUE;`"""
    line = f"{head} = {value};"
    return line if len(line) <= WIDTH or "\n" in value else f"{head} =\n    {value};"


def string(value):
    """A literal."""
    out = []
    for char in value:
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char.isprintable():
            out.append(char)
        else:
            out.append(f"\\u{{{ord(char):x}}}")
    return '"' + "".join(out) + '"'


def raw_string(value):
    """A literal of several lines."""
    if "\r" in value or any(not c.isprintable() and c not in "\n\t" for c in value):
        return string(value)
    mark = "#"
    while '"' + mark in value:
        mark += "#"
    return f'r{mark}"{value}"{mark}'


def real(value):
    if value != value:
        return "f64::NAN"
    if value in (float("inf"), float("-inf")):
        return "f64::INFINITY" if value > 0 else "f64::NEG_INFINITY"
    return repr(value)
