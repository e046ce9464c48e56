# SPDX-License-Identifier: Apache-2.0
"""For gdb_fibers.py: short names of C++ functions."""

import re

# Functions of the SDK between a module's function and the host.
OWN = re.compile(r"backplane::(detail::|Fibers?::|Generator<|Yield<)")
ABI = re.compile(r"\[abi:\w+\]")
OPERATOR = re.compile(r"operator ?(\(\)|<=>|<<=?|>>=?|->\*?|<=?|>=?) ?")
# The optimizer appends this to the names of cloned functions.
CLONE = re.compile(r" \[clone [^\]]*\]")
LAMBDA = re.compile(r"([\w:~]+(?:::\{lambda#\d+\})+)")
ADDRESS = re.compile(r"&([\w:~]+)")
LONGEST = 20  # show template arguments up to this number of characters


def without_arguments(name):
    """The name without argument lists and without "(anonymous namespace)"."""
    name = name.replace("(anonymous namespace)::", "")
    out, depth, kept = [], 0, []
    for i, char in enumerate(name):
        if char == "(" and depth == 0 and name[i - 1:i] == "&":  # a member: &(Class::function(int))
            kept.append(depth)
        elif char == "(":
            depth += 1
        elif char == ")" and depth == 0 and kept:
            kept.pop()
        elif char == ")":
            depth -= 1
        elif depth == 0:
            out.append(char)
    return "".join(out)


def top_level(name):
    """Each character with its nesting depth in template argument lists."""
    depth = 0
    for char in name:
        depth += char == "<"
        yield char, depth
        depth -= char == ">"


def without_result(name):
    """The name without the result type that precedes the name of a template function."""
    words = "".join("\0" if char == " " and depth == 0 else char for char, depth in top_level(name)).split("\0")
    return next((word for word in reversed(words) if word not in ("", "const", "&", "&&", "noexcept", "volatile")), name)


def short_templates(name):
    out, inner = [], []
    for char, depth in top_level(name):
        if depth == 0:
            out.append(char)
            continue
        inner.append(char)
        if depth == 1 and char == ">":
            out.append("".join(inner) if len(inner) <= LONGEST + 2 else "<…>")
            inner = []
    return "".join(out + inner)


def of_the_sdk(name):
    return OWN.match(without_result(without_arguments(name))) is not None


def short(name):
    """The name without arguments, result and long template arguments; None for a function of the SDK alone.

    The compiler often inlines a module's function into a function of the SDK. The name of the module's function is then
    among the template arguments, and is returned."""
    # Encode the characters of operators, because they look like brackets.
    name = CLONE.sub("", ABI.sub("", name))
    name = OPERATOR.sub(lambda found: "operator" + "".join(f"\1{ord(c)}\2" for c in found[1]), name)
    name = without_result(without_arguments(name))
    if OWN.match(name):
        found = LAMBDA.search(name) or ADDRESS.search(name)
        name = found[1].lstrip(":") if found else None
    else:
        name = short_templates(name)
    if name is None:
        return None
    name = re.sub("\1(\\d+)\2", lambda found: chr(int(found[1])), name)
    return name.removesuffix("::operator()") if "{lambda" in name else name
