# SPDX-License-Identifier: Apache-2.0
"""For gdb_fibers.py: what a C++ function is called, in few words."""

import re

# Of the SDK: what stands between a module's function and the host.
OWN = re.compile(r"backplane::(detail::|Fibers?::|Generator<|Yield<)")
ABI = re.compile(r"\[abi:\w+\]")
OPERATOR = re.compile(r"operator ?(\(\)|<=>|<<=?|>>=?|->\*?|<=?|>=?) ?")
# What the optimizer appends to the clones that it makes.
CLONE = re.compile(r" \[clone [^\]]*\]")
LAMBDA = re.compile(r"([\w:~]+(?:::\{lambda#\d+\})+)")
ADDRESS = re.compile(r"&([\w:~]+)")
LONGEST = 20  # characters of template arguments that are shown


def without_arguments(name):
    """Without argument lists, and without the namespace that has no name."""
    name = name.replace("(anonymous namespace)::", "")
    out, depth, kept = [], 0, []
    for i, char in enumerate(name):
        if char == "(" and depth == 0 and name[i - 1:i] == "&":  # of a member: &(Class::function(int))
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
    """Each character, and how many template argument lists it lies in."""
    depth = 0
    for char in name:
        depth += char == "<"
        yield char, depth
        depth -= char == ">"


def without_result(name):
    """Without the type of the result, which stands before a template function's name."""
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
    """The name without arguments, result and long template arguments; None for what is of the SDK alone.

    The compiler often makes one function of the SDK's and the module's: then the module's stands among the template
    arguments, and is the name."""
    # The signs of operators would be taken for brackets.
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
