#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every function, function pointer and callback type in abi/include says in the comment directly above
it from which thread it may be called, in which state, and whether it may suspend its caller:
[thread: …] [state: …] [suspend: no|fiber|yes]. backplane/base.h explains the words."""

import re

import common

WORDS = ("any", "caller", "request", "event", "watchdog", "worker", "control")
SUSPENDS = ("no", "fiber", "yes")
TAGS = re.compile(r"\[thread: ([^\]]+)\] \[state: ([^\]]+)\] \[suspend: ([^\]]+)\]")
# "request", "or worker if BP_HANDLER_BLOCKING"
THREAD = re.compile(r"(?:or )?(\w+)(?: if BP_[A-Z_]+)?")
TOKEN = re.compile(r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<line>^[ \t]*\#(?:[^\n\\]|\\.)*)
                       |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>\w+)|(?P<mark>[^\s\w])""",
                   re.VERBOSE | re.DOTALL | re.MULTILINE)


class Token:
    def __init__(self, match, first, last):
        self.kind, self.text, self.first, self.last = match.lastgroup, match.group(0), first, last


def tokens(text):
    """The header's tokens with the lines they begin and end on; preprocessor lines are left out."""
    line, at = 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        last = line + match.group(0).count("\n")
        if match.lastgroup != "line":
            yield Token(match, line, last)
        line, at = last, match.end()


def declarations(text):
    """(comment directly above or None, tokens) of each declaration outside of enums and bodies."""
    scopes, current, comment, last_line = [], [], None, 0
    for token in tokens(text):
        if token.kind == "comment":
            # One that begins where a declaration ended belongs to that declaration.
            if not current and token.first != last_line:
                comment = token
            continue
        last_line = token.last
        if token.text == "}":
            # What follows a struct's or enum's brace, a name at most, declares no function.
            scopes.pop()
            current, comment = [], None
            continue
        if scopes and scopes[-1] == "body":
            if token.text == "{":
                scopes.append("body")
            continue
        if token.text not in "{;":
            current.append(token)
            continue
        if token.text == "{":
            scopes.append(scope_kind(current))
        if token.text == ";" or scopes[-1] == "body":
            yield above(comment, current), current
        current, comment = [], None


def scope_kind(before):
    words = [token.text for token in before]
    if "extern" in words or any(word in ("struct", "union") for word in words) and "(" not in words:
        return "open"
    return "body"  # an enum or a function


def above(comment, declaration):
    if comment is None or not declaration or declaration[0].first - comment.last > 1:
        return None
    return comment


def without_attributes(declaration):
    result, depth, skipping = [], 0, False
    for token in declaration:
        if token.text in ("__attribute__", "_Alignas", "alignas"):
            skipping = True
        elif skipping:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            skipping = depth > 0
        else:
            result.append(token)
    return result


def function_name(declaration):
    """The name of the function, function pointer or callback type declared, or None."""
    words = [token.text for token in without_attributes(declaration)]
    if "(" not in words or words[0] in ("_Static_assert", "static_assert", "enum"):
        return None
    at = words.index("(")
    if words[at + 1] == "*":
        return words[at + 2]
    return words[at - 1] if at > 0 else None


def complaint(comment):
    if comment is None:
        return "has no comment directly above it"
    text = re.sub(r"[\s*/]+", " ", comment.text)
    found = TAGS.findall(text)
    if len(found) != 1:
        return f"has {len(found)} complete sets of tags in the comment above it"
    threads, state, suspend = found[0]
    for part in threads.split(", "):
        match = THREAD.fullmatch(part)
        if not match or match.group(1) not in WORDS:
            return f"has an unknown thread '{part}' (known: {', '.join(WORDS)})"
    if suspend not in SUSPENDS:
        return f"has [suspend: {suspend}] (known: {', '.join(SUSPENDS)})"
    return None if state.strip() else "has an empty state"


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    functions = 0
    for name in common.files(options.root):
        if not (name.startswith("abi/include/") and name.endswith(".h")):
            continue
        for comment, declaration in declarations(common.read(options.root, name)):
            function = function_name(declaration)
            if function is None:
                continue
            functions += 1
            what = complaint(comment)
            if what:
                findings.add(name, declaration[0].first, f"{function} {what};"
                             " expected one [thread: …] [state: …] [suspend: no|fiber|yes]; say where it may be called")
    print(f"thread_tags.py: {functions} functions")
    findings.finish(functions)


if __name__ == "__main__":
    main()
