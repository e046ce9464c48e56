#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Includes between the rooms go the ways that rooms.py allows, and those ways form no cycle."""

import fnmatch
import os
import re

import common
import rooms

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:["<](?P<public>backplane/[^">]+)[">]|"(?P<own>[^"]+)")', re.MULTILINE)
SUFFIXES = (".h", ".c", ".hpp", ".cpp")
PARTS = ("abi/", "clients/", "host/", "plugin_sdk/", "plugins/")
TABLE = "scripts/checks/rooms.py"


def cycle(edges):
    """The rooms of one cycle, or None."""
    done = set()

    def visit(room, path):
        if room in path:
            return path[path.index(room):] + [room]
        if room in done:
            return None
        for below in edges.get(room, []):
            found = visit(below, path + [room])
            if found:
                return found
        done.add(room)
        return None

    for room in edges:
        found = visit(room, [])
        if found:
            return found
    return None


def room_of(path):
    """The room of a path below host/: "embed" of "embed/context.cpp"; or None."""
    return path.split("/")[0] if "/" in path else None


def public_patterns(name):
    return next((patterns for prefix, patterns in rooms.PUBLIC if name.startswith(prefix)), ["*"])


class Checker:
    def __init__(self, root, names, findings):
        self.root, self.names, self.findings = root, set(names), findings

    def resolve(self, name, included):
        """The path in the tree that a quoted include means, or None."""
        beside = os.path.normpath(os.path.join(os.path.dirname(name), included))
        bases = [beside] + [os.path.normpath(base + included) for base in ("host/", "abi/include/", "plugin_sdk/include/", "clients/c/include/", "clients/cpp/include/")]
        return next((path for path in bases if path in self.names), None)

    def check(self, name):
        text = common.read(self.root, name) or ""
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            if match["public"]:
                self.check_public(name, line, match["public"].removeprefix("backplane/"))
            else:
                self.check_own(name, line, match["own"])

    def check_public(self, name, line, included):
        patterns = public_patterns(name)
        # fnmatch's star crosses slashes; these patterns mean one folder.
        fits = any(fnmatch.fnmatch(included, pattern) and included.count("/") == pattern.count("/")
                   for pattern in patterns)
        if not fits:
            self.findings.add(name, line, f"includes <backplane/{included}>; expected one of {', '.join(patterns)}"
                              f" here ({TABLE} says why)")

    def check_own(self, name, line, included):
        target = self.resolve(name, included)
        if target is None:
            if name.startswith("host/"):
                self.findings.add(name, line, f'includes "{included}", which is nowhere in the tree;'
                                  ' expected "room/file.hpp", or <> for a library')
            return
        if target.startswith("tests/"):
            self.findings.add(name, line, f"includes {target}; expected nothing of tests/ outside of it; move it")
        elif target.startswith("host/") and name.startswith("host/"):
            self.check_edge(name, line, target)
        elif self.part(target) != self.part(name):
            self.findings.add(name, line, f'includes {target} with ""; expected <backplane/…>, or a file of its own part')
        elif target.startswith("plugins/") and target.split("/")[1] != name.split("/")[1]:
            self.findings.add(name, line, f"includes {target} of another module; modules meet by wire names alone")

    @staticmethod
    def part(path):
        return path.split("/")[0]

    def check_edge(self, name, line, target):
        room, below = (room_of(path.removeprefix("host/")) for path in (name, target))
        for each in (room, below):
            if each not in rooms.ROOMS:
                self.findings.add(name, line, f"belongs to or includes from host/{each}, which is no room;"
                                  f" known are those in {TABLE}; add it there with its reason")
                return
        allowed_rooms = [each for each in rooms.ROOMS[room] + rooms.EVERYWHERE if room not in rooms.EVERYWHERE or each == "sync"]
        if below != room and below not in allowed_rooms:
            allowed = ", ".join(allowed_rooms)
            self.findings.add(name, line, f"includes {target}: {room} may not look into {below}; expected {allowed}"
                              " or itself; declare an interface in the room below, or move the file")


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    loop = cycle(rooms.ROOMS)
    if loop:
        findings.add(TABLE, 1, f"allows the cycle {' → '.join(loop)}; expected none; turn one arrow round")
    names = common.files(options.root)
    checker = Checker(options.root, names, findings)
    sources = [name for name in names if name.startswith(PARTS) and name.endswith(SUFFIXES)]
    for name in sources:
        checker.check(name)
    findings.finish(sources)


if __name__ == "__main__":
    main()
