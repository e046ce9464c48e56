#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""C and C++ files are as clang-format-14 leaves them (.clang-format)."""

import os
import re
import subprocess
import sys

import common

TOOL = "clang-format-14"
SUFFIXES = (".h", ".c", ".hpp", ".cpp")
REPORT = re.compile(r"^(?P<path>.+?):(?P<line>\d+):\d+: error: (?P<what>.*)$", re.MULTILINE)


def main():
    options = common.arguments(__doc__)
    names = [name for name in common.files(options.root) if name.endswith(SUFFIXES)]
    findings = common.Findings()
    if names:
        try:
            done = subprocess.run([TOOL, "--dry-run", "-Werror", "--style=file", *names], cwd=options.root,
                                  capture_output=True, text=True, check=False)
        except FileNotFoundError:
            print(f"format.py: found no {TOOL}; run scripts/setup")
            sys.exit(2)
        seen = set()
        for match in REPORT.finditer(done.stderr):
            place = (match["path"], match["line"])
            if place not in seen:  # one line is enough for several breaches on it
                seen.add(place)
                path = os.path.relpath(os.path.join(options.root, match["path"]), options.root)
                findings.add(path, match["line"], f"not formatted; run: {TOOL} -i {path}")
        if done.returncode != 0 and not seen:
            print(f"format.py: {TOOL} failed: {done.stderr.strip()}")
            sys.exit(2)
    findings.finish(names)


if __name__ == "__main__":
    main()
