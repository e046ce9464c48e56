# SPDX-License-Identifier: Apache-2.0
"""Expressions in the layout of black: on one line if that fits, otherwise one item a line with a comma behind each."""
from text import clean, wrap

WIDTH = 88


class Group:
    """`head`, a bracket, and items: each is text, a Group, or a pair of a text before it and one of these."""

    def __init__(self, head, items, brackets="()"):
        self.head, self.items = head, list(items)
        self.open, self.close = brackets

    def __str__(self):
        return f"{self.head}{self.open}{', '.join(flat(item) for item in self.items)}{self.close}"


def call(head, *items):
    return Group(head, items)


def index(head, *items):
    return Group(head, items, "[]")


def flat(item):
    return item[0] + flat(item[1]) if isinstance(item, tuple) else str(item)


def render(item, indent=0, before="", after=""):
    """The lines of `before`, the item and `after`."""
    while isinstance(item, tuple):
        before, item = before + item[0], item[1]
    line = f"{' ' * indent}{before}{flat(item)}{after}"
    if len(line) <= WIDTH:
        return line
    if not isinstance(item, Group) or not item.items:
        alone = " " * (indent + 4) + flat(item)
        if before.endswith(" = ") and not after and len(alone) <= WIDTH:
            return f"{' ' * indent}{before}(\n{alone}\n{' ' * indent})"
        return line
    # One item of an index may have no comma: that would make it a tuple.
    comma = "" if item.open == "[" and item.head and len(item.items) == 1 else ","
    lines = [f"{' ' * indent}{before}{item.head}{item.open}"]
    lines += [render(each, indent + 4, "", comma if not str(flat(each)).startswith("**") else ",") for each in item.items]
    lines.append(f"{' ' * indent}{item.close}{after}")
    return "\n".join(lines)


def literal(text):
    """A text as black writes it: in double quotes, unless that needs more escapes."""
    out = []
    quote = "'" if text.count('"') > text.count("'") else '"'
    for char in text:
        if char in (quote, "\\"):
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char.isprintable():
            out.append(char)
        elif ord(char) < 256:
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 65536 else f"\\U{ord(char):08x}")
    return quote + "".join(out) + quote


def binary(data):
    text = repr(data)[2:-1] if repr(data)[1] == "'" else repr(data)[2:-1].replace('"', '\\"')
    return f'b"{text}"' if '"' not in text else f"b'{text}'"


def value(found):
    """A plain value of the outline."""
    if isinstance(found, str):
        return literal(found)
    if isinstance(found, bytes):
        return binary(found)
    if isinstance(found, (list, tuple)):
        return Group("", [value(each) for each in found], "[]")
    if isinstance(found, dict):
        return Group("", [(flat(value(key)) + ": ", value(each)) for key, each in found.items()], "{}")
    return repr(found).replace("e+", "e")


def hint(name, annotation, indent, after=""):
    """A name with its type. A type that does not fit is quoted: black leaves texts alone."""
    line = f"{' ' * indent}{name}: {flat(annotation)}{after}"
    if len(line) <= WIDTH:
        return line
    return f"{' ' * indent}{name}: {literal(flat(annotation))}{after}"


def safe(doc):
    """A doc that may stand in a docstring."""
    return clean(doc).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def docstring(doc, indent, more=()):
    """A docstring; `more` has lines for a paragraph of its own. Nothing if there is nothing to say."""
    doc = safe(doc)
    more = [line for each in more for line in _hanging(each, indent)]
    if not doc and not more:
        return ""
    pad = " " * indent
    if doc.startswith('"'):
        doc = " " + doc
    if not more and len(doc) + indent + 6 + doc.endswith('"') <= WIDTH:
        return f'{pad}"""{doc}{" " if doc.endswith(chr(34)) else ""}"""'
    lines = wrap(doc, WIDTH - indent - 7) if doc.strip() else []
    if doc.startswith(" ") and lines:
        lines[0] = " " + lines[0].lstrip()
    if len(lines) == 1 and not more:
        return f'{pad}"""{lines[0]}{" " if doc.endswith(chr(34)) else ""}"""'
    if more and lines:
        lines.append("")
    lines += more
    return "\n".join([f'{pad}"""{lines[0]}'] + [pad + line if line else "" for line in lines[1:]] + [f'{pad}"""'])


def _hanging(line, indent):
    """A line of a list in a docstring, wrapped below itself."""
    depth = len(line) - len(line.lstrip())
    first, *rest = wrap(safe(line), WIDTH - indent - depth)
    return [" " * depth + first] + [" " * (depth + 4) + part for each in rest for part in wrap(each, WIDTH)]


def cddl(text):
    """The interface text as the inside of a triple-quoted literal."""
    out = []
    for char in text:
        if char == "\\":
            out.append("\\\\")
        elif char == "\n" or char.isprintable():
            out.append(char)
        else:
            out.append(literal(char)[1:-1])
    return "".join(out).replace('"""', '\\"\\"\\"')
