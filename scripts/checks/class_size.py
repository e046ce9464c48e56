#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No class of clients/, host/ or plugin_sdk/ is large: at most 25 fields and 45 methods. Cut it where some fields are used
together and apart from the others.

Every field counts, also a static one, and every overload of a function. These do not count: constructors, destructors,
functions that are deleted or defaulted, friends, aliases, and nested types, which are classes of their own."""

import collections
import re

import common

FIELDS, METHODS = 25, 45
PARTS = ("clients/", "host/", "plugin_sdk/")
SUFFIXES = (".h", ".hpp", ".cpp")

# Class: why it may be larger. Keep this short.
ALLOWED = {
    "Request": "one record for each stage of a call, laid out by cache line; its parts are never apart",
    "Generation": "all that one loading of a module has: data with next to no behaviour",
}

Size = collections.namedtuple("Size", "name line fields methods")

# What declares nothing: comments, literals, preprocessor lines (with those they continue on).
BLANKED = re.compile(r"""
    //[^\n]* | /\*.*?\*/
  | (?:u8|[uUL])?R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"
  | (?:u8|[uUL])?"(?:\\.|[^"\\\n])*"
  | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'
  | ^[ \t]*\#(?:\\\n|[^\n])*
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r"[A-Za-z_]\w*|\.?\d(?:'?[\w.])*|::|->|\.\.\.|&&|\|\||[<>=!+*/%^&|-]=|[^\s\w]")
CLOSING = {"(": ")", "[": "]", "{": "}"}
ATTRIBUTES = ("alignas", "decltype", "__attribute__", "explicit", "noexcept")
DEFINES = ("class", "struct", "union", "enum")


class Token(str):
    """A token, and the line where it stands."""

    def __new__(cls, text, line):
        token = super().__new__(cls, text)
        token.line = line
        return token


def tokens(text):
    """The tokens of a source. A literal is one token, `""`."""
    def blank(match):
        literal = match[0].rstrip()[-1:] in ('"', "'") and not match[0].lstrip().startswith(("//", "/*", "#"))
        return (' "" ' if literal else " ") + "\n" * match[0].count("\n")

    found, line, at = [], 1, 0
    text = BLANKED.sub(blank, text).replace('""', " literal_ ")
    for match in TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        found.append(Token(match[0], line))
    return found


def after_group(all_tokens, at):
    """The place after the bracket that closes the one at `at`."""
    closing = []
    while at < len(all_tokens):
        token = all_tokens[at]
        if token in CLOSING:
            closing.append(CLOSING[token])
        elif closing and token == closing[-1]:
            closing.pop()
            if not closing:
                return at + 1
        at += 1
    return at


def after_angles(all_tokens, at):
    """The place after the `>` that closes the `<` at `at`."""
    depth = 0
    while at < len(all_tokens):
        token = all_tokens[at]
        if token in CLOSING:
            at = after_group(all_tokens, at)
            continue
        depth += (token == "<") - (token == ">")
        at += 1
        if depth == 0 or token == ";":
            return at
    return at


def after_attributes(all_tokens, at):
    while at < len(all_tokens):
        if all_tokens[at] == "[" and all_tokens[at + 1:at + 2] == ["["]:
            at = after_group(all_tokens, at)
        elif at + 1 < len(all_tokens) and all_tokens[at] in ATTRIBUTES and all_tokens[at + 1] == "(":
            at = after_group(all_tokens, at + 1)
        else:
            return at
    return at


def definition(all_tokens, at):
    """Of `class`, `struct`, `union` or `enum` at `at`: the name and where its body begins, or None if this only
    mentions the type."""
    at += 1
    if all_tokens[at:at + 1] in (["class"], ["struct"]):  # enum class
        at += 1
    at = after_attributes(all_tokens, at)
    name = []
    while at < len(all_tokens) and (re.match(r"\w", all_tokens[at]) or all_tokens[at] in ("::", "<")):
        end = after_angles(all_tokens, at) if all_tokens[at] == "<" else at + 1
        name += all_tokens[at:end]
        at = end
    if name[-1:] == ["final"]:
        name.pop()
    if all_tokens[at:at + 1] == [":"] and (name or all_tokens[at - 1] in DEFINES):
        while at < len(all_tokens) and all_tokens[at] not in ("{", ";"):
            at = after_angles(all_tokens, at) if all_tokens[at] == "<" else at + 1
    if all_tokens[at:at + 1] != ["{"]:
        return None
    return "".join(name), at


def after_requires(all_tokens, at):
    """The place after a requires-clause at `at`."""
    at += 1
    while at < len(all_tokens):
        if all_tokens[at] == "requires":
            at += 1
            if all_tokens[at] == "(":
                at = after_group(all_tokens, at)
            at = after_group(all_tokens, at)
        elif all_tokens[at] == "(":
            at = after_group(all_tokens, at)
        else:
            while all_tokens[at] == "!" or all_tokens[at] == "::" or re.match(r"\w", all_tokens[at]):
                at += 1
                if all_tokens[at] == "<":
                    at = after_angles(all_tokens, at)
                if all_tokens[at] != "::" and re.match(r"\w", all_tokens[at]):
                    break
        if all_tokens[at] not in ("&&", "||"):
            return at
        at += 1
    return at


class Body:
    """Counts what the body of one class declares."""

    def __init__(self, name, all_tokens, begin, end):
        self.name = re.sub(r"<.*", "", name).split("::")[-1]
        self.tokens, self.at, self.end = all_tokens, begin, end
        self.fields = self.methods = 0
        while self.at < self.end:
            self.member()

    def skip_statement(self):
        while self.at < self.end:
            token = self.tokens[self.at]
            if token in CLOSING:
                self.at = after_group(self.tokens, self.at)
                if token == "{" and self.tokens[self.at] not in (";", ",", ")", "}", "{"):
                    return  # the body of a friend
                continue
            self.at += 1
            if token == ";":
                return

    def member(self):
        self.at = after_attributes(self.tokens, self.at)
        token = self.tokens[self.at]
        if token in ("public", "private", "protected") and self.tokens[self.at + 1] == ":":
            self.at += 2
        elif token == ";":
            self.at += 1
        elif token == "template":
            self.at = after_angles(self.tokens, self.at + 1)
        elif token == "requires":
            self.at = after_requires(self.tokens, self.at)
        elif token in ("friend", "using", "typedef", "static_assert") or self.forward():
            self.skip_statement()
        elif token in DEFINES and definition(self.tokens, self.at):
            self.nested(*definition(self.tokens, self.at))
        else:
            self.declaration()

    def forward(self):
        """Whether this only says that there is such a type."""
        statement = self.tokens[self.at:self.tokens.index(";", self.at)] if self.tokens[self.at] in DEFINES else []
        return bool(statement) and len([token for token in statement if re.match(r"\w", token)]) - \
            (statement[1] in ("class", "struct")) == 2

    def nested(self, name, begin):
        is_enum = self.tokens[self.at] == "enum"
        self.at = after_group(self.tokens, begin)
        if self.tokens[self.at] == ";":
            self.at += 1
            if not name and not is_enum:  # what an anonymous struct or union has is this class's
                inner = Body("", self.tokens, begin + 1, self.at - 2)
                self.fields += inner.fields
        else:
            self.declaration()

    def declaration(self):
        """A field or a function, from its type to the end of it."""
        called = None  # the function's name
        fields = 1
        begin = self.at
        while self.at < self.end:
            self.at = after_attributes(self.tokens, self.at)
            token = self.tokens[self.at]
            if token == "operator":
                called = called or "operator"
                self.at += 1
                while self.tokens[self.at] != "(":
                    self.at += 1
                if self.tokens[self.at + 1] == ")" and self.tokens[self.at + 2] == "(":
                    self.at += 2
            elif token == "<" and re.match(r"\w", self.tokens[self.at - 1]):
                self.at = after_angles(self.tokens, self.at)
            elif token == "(":
                before = self.tokens[self.at - 1]
                pointer = self.tokens[self.at + 1] in ("*", "&")
                if called is None and self.at > begin and not pointer and not before.startswith("BP_"):
                    called = "~" if self.tokens[self.at - 2] == "~" else before
                self.at = after_group(self.tokens, self.at)
                if pointer and called is None:
                    self.at = after_group(self.tokens, self.at)  # its parameters
            elif called is not None and token == "requires":
                self.at = after_requires(self.tokens, self.at)
            elif called is not None and token == ":":
                self.initialisers()
            elif token == "{":
                self.at = after_group(self.tokens, self.at)
                if called is not None:
                    while self.tokens[self.at] == "catch":
                        self.at = after_group(self.tokens, after_group(self.tokens, self.at + 1))
                    return self.count(called)
            elif token == "=":
                if called is not None and self.tokens[self.at + 1] in ("default", "delete"):
                    called = self.name
                self.at += 1
                while self.tokens[self.at] not in (";", ","):
                    self.at = self.after_expression(self.at)
            elif token == ";":
                self.at += 1
                return self.count(called, fields)
            else:
                fields += token == ","
                self.at += 1
        return self.count(called, fields)

    def after_expression(self, at):
        token = self.tokens[at]
        if token in CLOSING:
            return after_group(self.tokens, at)
        if token == "<" and re.match(r"[A-Za-z_]", self.tokens[at - 1]):
            end = after_angles(self.tokens, at)
            if ";" not in self.tokens[at:end]:
                return end
        return at + 1

    def initialisers(self):
        """Those of a constructor, up to its body."""
        self.at += 1
        while self.at < self.end:
            while self.tokens[self.at] not in ("(", "{"):
                self.at = after_angles(self.tokens, self.at) if self.tokens[self.at] == "<" else self.at + 1
            self.at = after_group(self.tokens, self.at)
            if self.tokens[self.at] == "...":
                self.at += 1
            if self.tokens[self.at] != ",":
                return
            self.at += 1

    def count(self, called, fields=1):
        if called is None:
            self.fields += fields
        elif called not in ("~", self.name):
            self.methods += 1


def sizes(text):
    """The Size of each class that `text` defines."""
    all_tokens = tokens(text)
    for at, token in enumerate(all_tokens):
        if token not in ("class", "struct") or (at > 0 and all_tokens[at - 1] == "enum"):
            continue
        found = definition(all_tokens, at)
        if found:
            name, begin = found
            body = Body(name, all_tokens, begin + 1, after_group(all_tokens, begin) - 1)
            yield Size(re.sub(r"<.*", "", name), token.line, body.fields, body.methods)


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    names = [name for name in common.files(options.root) if name.startswith(PARTS) and name.endswith(SUFFIXES)]
    large = set()
    for name in names:
        for size in sizes(common.read(options.root, name) or ""):
            if size.fields <= FIELDS and size.methods <= METHODS:
                continue
            large.add(size.name)
            if size.name not in ALLOWED:
                findings.add(name, size.line, f"{size.name} has {size.fields} fields and {size.methods} methods; expected "
                             f"at most {FIELDS} and {METHODS}; cut it where fields are used apart from the others")
    for name in ALLOWED:
        if options.root == common.SOURCE_ROOT and name not in large:
            findings.add("scripts/checks/class_size.py", 1, f"allows {name}, which is not large; remove the entry")
    findings.finish(names)


if __name__ == "__main__":
    main()
