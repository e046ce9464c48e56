#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No source file is long: over 400 lines is a warning, over 500 a failure. Split by what changes
together."""

import common

WARN, FAIL = 400, 500
SUFFIXES = (".h", ".c", ".hpp", ".cpp", ".py", ".sh", ".cmake", ".in")

# Path: why it may be longer. Keep this short.
ALLOWED = {}


def is_source(name):
    return name.endswith(SUFFIXES) or name.startswith("scripts/") or name.endswith("CMakeLists.txt")


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    names = [name for name in common.files(options.root) if is_source(name)]
    for name in names:
        lines = (common.read(options.root, name) or "").count("\n")
        if lines > FAIL and name not in ALLOWED:
            findings.add(name, FAIL, f"{lines} lines; expected at most {FAIL}, better {WARN}; split the file")
        elif lines > WARN and name not in ALLOWED:
            print(f"{name}:{WARN}: warning: {lines} lines; aim at {WARN}")
    for name in ALLOWED:
        if options.root == common.SOURCE_ROOT and name not in names:
            findings.add("scripts/checks/length.py", 1, f"allows {name}, which is not there; remove the entry")
    findings.finish(names)


if __name__ == "__main__":
    main()
