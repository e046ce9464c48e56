#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""abi/statuses.json has the statuses of BP_STATUS_LIST in base.h: numbers, names and texts, for programs that make
something of them. `--update` writes it again."""

import json
import os
import re
import sys

import common

HEADER = "abi/include/backplane/base.h"
FILE = "abi/statuses.json"
LIST = re.compile(r"#define BP_STATUS_LIST\(X\)(.*?)\n\n", re.DOTALL)
ENTRY = re.compile(r'X\((\w+), (\d+),\s*"((?:[^"\\]|\\.)*)"\)')
FIRST = re.compile(r"#define BP_STATUS_MODULE_FIRST (\d+)")
NOT_TERMINAL = ("stale", "partial")


def of_header(text):
    """What the file has to say, or None."""
    found, first = LIST.search(text), FIRST.search(text)
    if found is None or first is None:
        return None
    entries = ENTRY.findall(found.group(1))
    statuses = [{"number": int(number), "name": name.lower(), "constant": "BP_" + name, "text": text,
                 "terminal": name.lower() not in NOT_TERMINAL} for name, number, text in entries]
    return {"module_first": int(first.group(1)), "statuses": statuses}


def main():
    options = common.arguments(__doc__, update=(False, "write the file again"))
    header = os.path.join(options.root, HEADER)
    wanted = of_header(common.read(options.root, HEADER)) if os.path.exists(header) else None
    if wanted is None or not wanted["statuses"]:
        print(f"statuses.py: found no BP_STATUS_LIST in {HEADER}; is --root the top of the tree?")
        sys.exit(2)
    text = json.dumps(wanted, indent=2) + "\n"
    path = os.path.join(options.root, FILE)
    if options.update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    findings = common.Findings()
    found = common.read(options.root, FILE) if os.path.exists(path) else ""
    if found != text:
        known = {(each["number"], each["name"]) for each in wanted["statuses"]}
        try:
            there = {(each["number"], each["name"]) for each in json.loads(found)["statuses"]}
        except (ValueError, KeyError, TypeError):
            there = set()
        differing = ", ".join(f"{name} ({number})" for number, name in sorted(known ^ there)) or "texts"
        findings.add(FILE, 1, f"does not have what BP_STATUS_LIST says: {differing}; expected the list of {HEADER};"
                     " run scripts/checks/statuses.py --update")
    findings.finish(wanted["statuses"])


if __name__ == "__main__":
    main()
