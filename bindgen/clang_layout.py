# SPDX-License-Identifier: Apache-2.0
"""Breaks lines as clang-format does with the style of this project: Google's, with 120 columns."""
from text import block_safe, line_safe, wrap

WIDTH = 120


def comment(doc, indent=0, mark="///"):
    """A doc as lines of comment; nothing if it is empty."""
    doc = line_safe(doc)
    if not doc:
        return ""
    space = " " * indent
    return "".join(f"{space}{mark} {line}\n" for line in wrap(doc, WIDTH - indent - len(mark) - 1))


def fill(head, items, tail, indent=None):
    """`head(items, …)tail`, filled line by line behind the bracket that ends `head`."""
    column = len(head) if indent is None else indent
    lines, line = [], head
    for i, item in enumerate(items):
        piece = item + (tail if i + 1 == len(items) else ",")
        if line == head or line.strip() == "":
            line += piece
        elif len(line) + 1 + len(piece) <= WIDTH:
            line += " " + piece
        else:
            lines.append(line)
            line = " " * column + piece
    if not items:
        line += tail
    return "\n".join(lines + [line]) + "\n"


def describe_struct(name, members):
    """BOOST_DESCRIBE_STRUCT of a struct."""
    one = f"BOOST_DESCRIBE_STRUCT({name}, (), ({', '.join(members)}))"
    if len(one) <= WIDTH:
        return one + "\n"
    head = "BOOST_DESCRIBE_STRUCT("
    return f"{head}{name}, (),\n" + fill(" " * len(head) + "(", members, "))")


def call_macro(macro, arguments):
    """A macro with names as its arguments."""
    one = f"{macro}({', '.join(arguments)})"
    return one + "\n" if len(one) <= WIDTH else fill(macro + "(", arguments, ")")


def member(type_, name, indent=2):
    """A member: `type name;`. A type that is too long for a line stays on it."""
    line = f"{' ' * indent}{type_} {name};"
    return guarded(line, indent) if len(line) > WIDTH else line + "\n"


def guarded(line, indent=0):
    """A line that is longer than the style has it."""
    space = " " * indent
    return f"{space}// clang-format off\n{line}\n{space}// clang-format on\n"


def enum(name, values):
    one = f"enum class {name} {{ {', '.join(values)} }};"
    if len(one) <= WIDTH:
        return one + "\n"
    return f"enum class {name} {{\n" + "".join(f"  {value},\n" for value in values) + "};\n"


def using(name, template, arguments):
    """An alias of a template: on one line, or on two."""
    one = f"using {name} = {template}<{', '.join(arguments)}>;"
    if len(one) <= WIDTH:
        return one + "\n"
    two = f"    {template}<{', '.join(arguments)}>;"
    if len(two) <= WIDTH:
        return f"using {name} =\n{two}\n"
    return guarded(one)


def block(doc, indent=0):
    """A doc as a comment of C; nothing if it is empty."""
    doc = block_safe(doc)
    if not doc:
        return ""
    space = " " * indent
    lines = wrap(doc, WIDTH - indent - 6)
    return f"{space}/* " + f"\n{space} * ".join(lines) + " */\n"


def signature(head, parameters, tail):
    """A function with its parameters: on one line, or filled behind the bracket."""
    one = f"{head}({', '.join(parameters)}){tail}"
    if len(one) <= WIDTH:
        return one
    filled = fill(f"{head}(", parameters, f"){tail}").rstrip("\n")
    if max(map(len, filled.split("\n"))) <= WIDTH:
        return filled
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    return f"{head}(\n" + fill(indent, parameters, f"){tail}", len(indent)).rstrip("\n")


def function(head, parameters, body):
    """A definition: on one line if it is a short statement."""
    first = signature(head, parameters, " {")
    one = f"{first} {body.strip()} }}"
    if body.count("\n") == 1 and "\n" not in first and len(one) <= WIDTH:
        return one + "\n"
    return f"{first}\n{body}}}\n"


def initializer(head, values):
    one = f"{head} {{{', '.join(values)}}};"
    if len(one) <= WIDTH:
        return one
    two = f"    {', '.join(values)}}};"
    return f"{head} {{\n{two}" if len(two) <= WIDTH else f"// clang-format off\n{one}\n// clang-format on"
