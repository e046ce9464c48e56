#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What must not compile, and what the compiler says of it: one error for each fault, with the names of the types.

refused_test.py COMPILER SOURCE FLAG…

A line of the source with `expect: PATTERN` is a fault. The error whose message fits the pattern must be there, and no
error that fits none. An error of a compiler is its message together with the lines before it that tell where the
template is used.
"""
import re
import subprocess
import sys

compiler, source, *flags = sys.argv[1:]
done = subprocess.run([compiler, *flags, source], capture_output=True, text=True, check=False)
with open(source, encoding="utf-8") as file:
    expected = re.findall(r"// expect: (.*)", file.read())

# g++ tells first in which template, then the error; clang++ tells the template in notes that follow.
notes, errors = [], []
for line in done.stderr.splitlines():
    if "clang" in compiler and line.endswith("constant expression"):
        continue  # it says of each use of what it refused that it is no constant
    if re.search(r": (fatal )?error: ", line):
        errors.append([line] + ([] if "clang" in compiler else notes))
        notes = []
    elif "clang" in compiler and errors:
        errors[-1].append(line)
    elif not line.startswith(" "):
        notes.append(line)

wrong = []
texts = [" ".join(lines) for lines in errors]
for pattern in expected:
    # The template arguments may stand before or after the message.
    what, _, which = pattern.partition(".*")
    if not any(what in text and re.search(which, text) for text in texts):
        wrong.append(f"no error fits: {pattern}")
for text in texts:
    if not any(pattern.partition(".*")[0] in text for pattern in expected):
        wrong.append(f"not expected: {text[:600]}")
if len(texts) > len(expected):
    wrong.append(f"{len(texts)} errors for {len(expected)} faults")
print("\n".join(wrong) or f"{len(expected)} faults, {len(texts)} errors")
sys.exit(1 if wrong else 0)
