# SPDX-License-Identifier: Apache-2.0
"""The layout of TypeScript: strings, comments, and lists that fit on a line or not."""
import math
import re

from text import block_safe, wrap

WIDTH = 80
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_SAFE = 2**53 - 1


def string(text):
    """A string literal, with the quotes that need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    out = []
    for char in text:
        if char in ("\\", quote):
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif ord(char) < 32 or 0x7F <= ord(char) <= 0x9F or char in "\u2028\u2029\ufeff" or 0xD800 <= ord(char) < 0xE000:
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    return quote + "".join(out) + quote


def key(name):
    """The name of a member, in quotes if it is no identifier."""
    return name if _IDENTIFIER.fullmatch(name) else string(name)


def keys(names):
    """The names of the members of one object type. Prettier quotes a name only if it must."""
    return [key(name) for name in names]


def literal(value):
    """A value as an expression."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return string(value)
    if isinstance(value, int):
        return str(value) if -_SAFE <= value <= _SAFE else f"{value}n"
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 and str(value) != "-0.0" else repr(value)
    if isinstance(value, bytes):
        return "Uint8Array.of(" + ", ".join(str(byte) for byte in value) + ")"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(name)}: {literal(each)}" for name, each in value.items()) + " }" if value else "{}"
    return "[" + ", ".join(literal(each) for each in value) + "]"


def template_text(text):
    """What stands between the backquotes of a template literal."""
    text = text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
    return "".join(char if char in "\n\t" or ord(char) >= 32 else f"\\u{ord(char):04x}" for char in text)


def _safe(doc):
    return re.sub(r"([@{}])", r"\\\1", block_safe(doc))


def comment(doc, indent=0, items=(), tags=()):
    """A TSDoc comment with its line ends, or nothing. `items` become a list; `tags` begin with a block tag."""
    pad = " " * indent
    lines = wrap(_safe(doc), WIDTH - indent - 3) if doc else []
    if items:
        lines += [""] if lines else []
        for item in items:
            first, *rest = wrap(_safe(item), WIDTH - indent - 5)
            lines += ["- " + first] + ["  " + line for line in rest]
    if tags:
        lines += [""] if lines else []
        for tag in tags:
            word, _, text = tag.partition(" ")
            lines += wrap(f"{word} {_safe(text)}", WIDTH - indent - 3)
    if not lines:
        return ""
    if len(lines) == 1 and len(pad) + 7 + len(lines[0]) <= WIDTH:
        return f"{pad}/** {lines[0]} */\n"
    return f"{pad}/**\n" + "".join(f"{pad} * {line}".rstrip() + "\n" for line in lines) + f"{pad} */\n"


def call(head, items, tail, indent=0, before="(", after=")", end=","):
    """`head(items)tail`, on one line or with a line for each item."""
    pad = " " * indent
    space = " " if before == "{" and items else ""
    line = f"{pad}{head}{before}{space}{', '.join(items)}{space}{after}{tail}"
    if len(line) <= WIDTH or not items:
        return line
    inner = "".join(f"{pad}  {item}{end}\n" for item in items)
    return f"{pad}{head}{before}\n{inner}{pad}{after}{tail}"


def union(head, parts, tail, indent=0):
    """`head: A | B;`, on one line or with a line for each part."""
    pad = " " * indent
    line = f"{pad}{head} {' | '.join(parts)}{tail}"
    if len(line) <= WIDTH or len(parts) == 1:
        return line
    return f"{pad}{head}\n" + "\n".join(f"{pad}  | {part}" for part in parts) + tail


def arrow(head, body, tail):
    """`head(() => body)tail`, on one line or with the body on a line of its own."""
    line = f"{head}(() => {body}){tail}"
    return line if len(line) <= WIDTH else f"{head}(() =>\n  {body},\n){tail}"


def typed(head, arguments, tail):
    """`head<A, B>tail`, on one line or with a line for each argument."""
    line = f"{head}<{', '.join(arguments)}>{tail}"
    if len(line) <= WIDTH:
        return line
    return f"{head}<\n" + ",\n".join(f"  {each}" for each in arguments) + f"\n>{tail}"
