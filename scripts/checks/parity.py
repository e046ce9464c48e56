#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What docs/parity.md names is there: each `path`, and each "test case" in the file named before it."""

import os
import re

import common

PAGE = "docs/parity.md"
TOKEN = re.compile(r'`((?:abi|clients|docs|host|packaging|plugin_sdk|plugins|scripts|tests)/[^`]+|CMakePresets\.json)`|"([^"]+)"')


def look(root, line, number, findings):
    """Returns how many things the line names."""
    path = None
    count = 0
    for found in TOKEN.finditer(line):
        count += 1
        if found.group(1):
            path = found.group(1)
            if not os.path.exists(os.path.join(root, path)):
                findings.add(PAGE, number, f"names {path}, which is not there; name the file that has it now")
            continue
        case = found.group(2)
        if path is None:
            findings.add(PAGE, number, f'"{case}" stands behind no file; name the test file before it')
        elif os.path.exists(os.path.join(root, path)) and f'"{case}"' not in (common.read(root, path) or ""):
            findings.add(PAGE, number, f'{path} has no "{case}"; name the case that shows it now')
    return count


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    text = common.read(options.root, PAGE) if os.path.exists(os.path.join(options.root, PAGE)) else None
    names = [PAGE] if text is not None else []
    for number, line in enumerate((text or "").splitlines(), 1):
        if line.startswith("| ") and look(options.root, line, number, findings) == 0 and "here | shown by" not in line \
                and "where | shown by" not in line:
            findings.add(PAGE, number, "a row that names no file; say where it lives and which test shows it")
    findings.finish(names)


if __name__ == "__main__":
    main()
