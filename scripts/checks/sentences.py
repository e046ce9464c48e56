#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sentences are short: none above 35 words, and fewer than 15 on average in each file. Looked at are
docs/*.md, README.md, CONTRIBUTING.md, abi/README.md, and the comments in the headers of abi/include, plugin_sdk and host.

What counts as a sentence:
  - It ends at . ! or ? before a space, and at the end of its paragraph, list item, table cell or
    comment. A colon or semicolon ends none. "e.g." and the like end none.
  - A word is what stands between spaces and has a letter or digit. Inline code is one word, and so is
    a bare address. Of a link only the text counts.
  - Left out: headings, code blocks, HTML comments, licence lines, rules such as `---- Views ----`,
    and the tags `[thread: …] [state: …] [suspend: …]`.
  - A table cell may have 35 words like any sentence, but is not part of the average: many short cells
    would hide long prose. In a cell a semicolon before inline code or a quoted name separates items.
    In a C comment, text after two or more spaces is a cell.
"""

import re

import common

MOST, AVERAGE = 35, 15
PAGES = re.compile(r"docs/[^/]+\.md|README\.md|CONTRIBUTING\.md|abi/README\.md")
HEADERS = re.compile(r"abi/include/.+\.h|plugin_sdk/.+\.hpp|host/.+\.hpp")

# Stand for one word each, and cannot be taken for another thing.
CODE, ADDRESS = "\ue000", "\ue001"

SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)")
BARE = re.compile(r"<?\b[a-z][a-z0-9+.-]*://[^\s>)]*[^\s>).,;:]>?")
HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FENCE = re.compile(r" {0,3}(```+|~~~+)")
ITEM = re.compile(r"[ \t]*(?:[-*+]|\d+[.)])[ \t]+")
DIVIDER = re.compile(r"[|:\- \t]+")
CELL_ITEMS = re.compile(rf'; (?=[{CODE}"])')

STOP = re.compile(r"""[.!?]["')\]*]*(?=\s|$)""")
SHORT = ("e.g.", "i.e.", "etc.", "cf.", "vs.")
WORD_MARK = re.compile(rf"[^\W_]|[{CODE}{ADDRESS}]")

# A comment, or what may look like one inside: strings and characters.
C_TOKEN = re.compile(r"""(?P<block>/\*.*?\*/)|(?P<lines>//[^\n]*(?:\n[ \t]*//[^\n]*)*)
                         |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.VERBOSE | re.DOTALL)
TAG = re.compile(r"\[(?:thread|state|suspend): [^\]]*\]")
RULE = re.compile(r"[ \t]*-{3,}.*")
CAPITALS = re.compile(r"[A-Z][A-Z0-9 ,+-]*")
GAP = re.compile(r"(?<=\S) {2,}(?=\S)")


def blank(match):
    """As many lines as the match had, and nothing in them."""
    return "\n" * match.group(0).count("\n")


class Sentence:
    def __init__(self, line, words, is_cell):
        self.line, self.words, self.is_cell = line, words, is_cell

    @property
    def length(self):
        return len(self.words)

    def beginning(self):
        text = " ".join(self.words[:6]).replace(CODE, "`…`").replace(ADDRESS, "…")
        return text + (" …" if self.length > 6 else "")


def split(text, line, is_cell=False):
    """The sentences of one block of text, which begins on `line`."""
    text = SPAN.sub(lambda match: CODE + blank(match), text)
    text = BARE.sub(ADDRESS, LINK.sub(r"\1", text)).replace("**", "")
    begin = 0
    for end in ends(text, is_cell):
        piece = text[begin:end]
        words = [word for word in piece.split() if WORD_MARK.search(word)]
        if words:
            indent = len(piece) - len(piece.lstrip())
            yield Sentence(line + text.count("\n", 0, begin + indent), words, is_cell)
        begin = end


def ends(text, is_cell):
    found = {match.end() for match in STOP.finditer(text)
             if not text[:match.end()].split()[-1].lstrip("(").endswith(SHORT)}
    if is_cell:
        found |= {match.end() for match in CELL_ITEMS.finditer(text)}
    return sorted(found | {len(text)})


class Blocks:
    """Collects lines into blocks, and gives the sentences of each."""

    def __init__(self):
        self.sentences, self.lines, self.first, self.is_cell = [], [], 0, False

    def add(self, number, text):
        """A line that goes on with the block."""
        if not self.lines:
            self.first = number
        self.lines.append(text)

    def begin(self, number, text, is_cell=False):
        """A line that begins a block."""
        self.end()
        self.is_cell = is_cell
        self.add(number, text)

    def end(self):
        if self.lines:
            self.sentences.extend(split("\n".join(self.lines), self.first, self.is_cell))
        self.lines, self.is_cell = [], False


def markdown(text):
    """The sentences of a page."""
    blocks, fence, before = Blocks(), None, "blank"
    for number, line in enumerate(HTML_COMMENT.sub(blank, text).splitlines(), 1):
        opening = FENCE.match(line)
        if fence:
            fence = None if opening and opening.group(1).startswith(fence) else fence
            before = "code"
        elif opening:
            blocks.end()
            fence = opening.group(1)
        elif not line.strip():
            blocks.end()
            before = before if before == "code" else "blank"
        elif line.startswith("    ") and before != "text":
            before = "code"
        elif line.startswith("#"):
            blocks.end()
            before = "blank"
        elif line.startswith("|"):
            blocks.end()
            before = "blank"
            row(blocks, number, line)
        else:
            marker = ITEM.match(line)
            (blocks.begin if marker else blocks.add)(number, line[marker.end():] if marker else line.lstrip("> "))
            before = "text"
    blocks.end()
    return blocks.sentences


def row(blocks, number, line):
    if DIVIDER.fullmatch(line):
        return
    line = SPAN.sub(CODE, line)
    for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")):
        blocks.begin(number, cell, is_cell=True)
        blocks.end()


def c_comments(text):
    """The sentences of a header's comments."""
    blocks = Blocks()
    for match in C_TOKEN.finditer(text):
        if match.lastgroup is None:
            continue
        comment = TAG.sub(blank, match.group(0))
        if match.lastgroup == "block":
            comment = comment[2:-2]
        number = text.count("\n", 0, match.start())
        for line in comment.split("\n"):
            number += 1
            comment_line(blocks, number, re.sub(r"^[ \t]*(?://[/!<]*|\*+(?!\w))? ?", "", line).rstrip())
        blocks.end()
    return blocks.sentences


def comment_line(blocks, number, line):
    text = line.strip()
    if not text or "SPDX-License-Identifier" in text or RULE.fullmatch(line) or CAPITALS.fullmatch(text):
        blocks.end()
        return
    marker = ITEM.match(line)
    text = line[marker.end():] if marker else text
    cells = GAP.split(text)
    if len(cells) > 1:
        for cell in cells:
            blocks.begin(number, cell, is_cell=True)
    elif marker:
        blocks.begin(number, text)
    else:
        blocks.add(number, text)


def average(sentences):
    counted = [sentence.length for sentence in sentences if not sentence.is_cell]
    return sum(counted) / len(counted) if counted else 0.0


def check(findings, name, sentences):
    for sentence in sentences:
        if sentence.length > MOST:
            findings.add(name, sentence.line, f"a sentence of {sentence.length} words, '{sentence.beginning()}';"
                         f" expected at most {MOST}; make two of it")
    mean = average(sentences)
    if mean >= AVERAGE:
        longest = sorted((each for each in sentences if not each.is_cell), key=lambda each: -each.length)[:5]
        where = ", ".join(f"line {each.line} ({each.length})" for each in longest)
        findings.add(name, 1, f"{mean:.1f} words a sentence on average; expected below {AVERAGE};"
                     f" split the longest: {where}")


def main():
    options = common.arguments("Sentences in the pages and public headers are short.")
    findings = common.Findings()
    total, highest = 0, (0.0, "")
    names = [name for name in common.files(options.root) if PAGES.fullmatch(name) or HEADERS.fullmatch(name)]
    for name in names:
        text = common.read(options.root, name) or ""
        sentences = (markdown if name.endswith(".md") else c_comments)(text)
        check(findings, name, sentences)
        total += len(sentences)
        highest = max(highest, (average(sentences), name))
    print(f"sentences.py: {total} sentences in {len(names)} files;"
          f" the highest average is {highest[0]:.1f} words, of {highest[1]}")
    findings.finish(names)


if __name__ == "__main__":
    main()
