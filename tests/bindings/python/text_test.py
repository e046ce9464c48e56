#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The text that bindgen writes for Python: as black writes it, accepted by mypy --strict, and always the same."""
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest

from support import BUNDLED, folder, generate, main

BINDGEN = pathlib.Path(__file__).parents[3] / "bindgen" / "main.py"
PACKAGE = pathlib.Path(os.environ["PYTHONPATH"].split(":")[0])
REFS = ({"kind": "bool"}, {"kind": "text"}, {"kind": "bytes"}, {"kind": "bytes", "size": 16}, {"kind": "any"},
        {"kind": "null"}, {"kind": "int", "bits": 8, "signed": True}, {"kind": "int", "bits": 64, "signed": False},
        {"kind": "int", "bits": 64, "signed": True, "unit": "milliseconds"}, {"kind": "float", "bits": 32},
        {"kind": "literal", "value": "x\"'\\\n"}, {"kind": "literal", "value": {"int": "-5"}},
        {"kind": "literal", "value": 1.5})
NAMES = ("class", "def", "list", "int", "str", "field", "_", "None", "True", "self", "type", "id", "a", "b_c", "a b", "a-b",
         "über", "1st", "__init__", "x" * 40, "value", "match", "lambda", "bytes", "dict", "name")
DOCS = ("", "short", 'ends with "quotes"', '"""', "back\\", "a # b", "\\N{DIGIT ONE}", "tab\tand\nline", "word " * 40,
        "x" * 120, "'single'", "日本語 " * 20, "{{ braces }} {% raw %}")


def run(*command, **more):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout[-6000:]}{done.stderr[-3000:]}")
    return done.stdout


def tool(name):
    found = pathlib.Path("/usr/bin", name)
    if not found.exists():
        raise AssertionError(f"found no {found}; install the Debian package {name}, or run scripts/setup bindings")
    return found


class Generator:
    """Outlines with all that is unpleasant."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.types = [f"T{n}{'Long' * self.random.choice((0, 0, 9))}" for n in range(12)] + ["Any", "Enum", "Error1001"]

    def doc(self):
        return self.random.choice(DOCS)

    def names(self, count):
        return self.random.sample(NAMES, count)

    def ref(self, depth=0):
        kind = self.random.randrange(9 if depth < 3 else 3)
        if kind < 2:
            return self.random.choice(REFS)
        if kind == 2:
            return {"kind": "named", "name": self.random.choice(self.types)}
        if kind == 3:
            return {"kind": "nullable", "of": self.ref(depth + 1)}
        if kind in (4, 5):
            return {"kind": "list", "of": self.ref(depth + 1), "least": self.random.choice((0, 0, 2)),
                    "most": self.random.choice((None, None, 3))}
        if kind == 6:
            return {"kind": "map", "key": self.random.choice((REFS[1], REFS[7])), "value": self.ref(depth + 1)}
        inner = [self.ref(depth + 1) for _ in range(self.random.randint(1, 4))]
        return {"kind": "tuple", "items": inner} if kind == 7 else {"kind": "choice", "of": inner}

    def member(self, name):
        made = {"name": name, "doc": self.doc(), "type": self.ref(), "optional": self.random.random() < 0.4}
        if made["optional"] and self.random.random() < 0.4:
            made["type"], made["default"] = self.random.choice((
                (REFS[1], 'a "text"\n'), (REFS[0], True), (REFS[7], {"int": "18446744073709551615"}), (REFS[9], 0.5),
                ({"kind": "nullable", "of": REFS[1]}, None), ({"kind": "list", "of": REFS[1], "least": 0, "most": None}, []),
                ({"kind": "list", "of": REFS[1], "least": 0, "most": None}, ["a", "b"]), (REFS[2], {"bytes": "00ff22"})))
        return made

    def type(self, name):
        head = {"name": name, "doc": self.doc(), "sent": True, "received": True}
        kind = self.random.randrange(4)
        count = self.random.randint(1, 6)
        if kind < 2:
            return {**head, "kind": "struct", "members": [self.member(each) for each in self.names(count - 1)]}
        if kind == 2:
            return {**head, "kind": "enum", "values": [{"value": each, "doc": self.doc()} for each in self.names(count)]}
        return {**head, "kind": "tagged",
                "cases": [{"name": each, "type": self.ref(), "doc": self.doc()} for each in self.names(count)]}

    def call(self, name):
        def maybe():
            return self.ref() if self.random.random() < 0.4 else None

        errors = [{"status": status, "detail": maybe(), "doc": self.doc(),
                   "builtin": {16: "invalid_argument", 34: "timeout"}.get(status)}
                  for status in self.random.sample((16, 34, 1001, 1002), self.random.randint(0, 3))]
        return {"name": name, "doc": self.doc(), "request": maybe(), "request_part": maybe(), "reply": maybe(),
                "partial": maybe(), "errors": errors}

    def module(self, name):
        verbs = ("echo", "echo_async", "list", "class", "open_async", "a.b", "a_b", "x" * 50, "on_fired", "print")
        constants = (("most", {"int": "600"}), ("text", 'say "it"'), ("none", None), ("all", [{"int": "1"}, "b"]),
                     ("deep", {"map": [["a", {"bytes": "00"}]]}), ("real", 1e300))
        return {
            "name": name, "version": "1.0.0", "summary": self.doc(), "hash": "0123456789abcdef",
            "cddl": 'a = "x\\\\" ; """ \\ \u202e\n', "types": [self.type(each) for each in self.types],
            "calls": [self.call(f"{name}.{each}") for each in verbs],
            "functions": [self.call(each) for each in ("other.lookup", "a.b", "a_b.c", "a.b_c")],
            "events": [{"name": f"{name}.{each}", "doc": self.doc(), "payload": self.ref() if each != "none" else None}
                       for each in ("fired", "none", "class")],
            "listens": [], "constants": [{"name": each, "value": value, "doc": self.doc()} for each, value in constants],
            "config": {"kind": "named", "name": self.types[0]}, "config_doc": self.doc(),
        }


class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = cls.enterClassContext(folder())
        generate(cls.work, *BUNDLED, "forms")
        cls.bundled = sorted(cls.work.glob("*.py"))
        cls.outline = json.dumps({
            "form": 1, "generator": "0.1.0",
            "modules": [Generator(seed).module(f"odd{seed}") for seed in range(2)] + [Generator(7).module("lambda")]})
        cls.bindgen("-o", cls.work)
        cls.files = sorted(cls.work.glob("*.py"))

    @classmethod
    def bindgen(cls, *arguments):
        return run(sys.executable, "-B", BINDGEN, "python", *arguments, input=cls.outline)

    def test_each_module_has_a_file(self):
        self.assertEqual([file.stem for file in self.bundled], sorted((*BUNDLED, "forms")))
        self.assertEqual([file.stem for file in self.files if file not in self.bundled],
                         ["lambda_", "odd0", "odd1"])

    def test_the_text_is_the_same_each_time(self):
        with folder() as other:
            self.bindgen("-o", other)
            for file in sorted(other.glob("*.py")):
                self.assertEqual(file.read_bytes(), (self.work / file.name).read_bytes())
            self.bindgen("-o", other, "--check")
            (other / "odd0.py").write_text((other / "odd0.py").read_text(encoding="utf-8") + "\n", encoding="utf-8")
            with self.assertRaisesRegex(AssertionError, "odd0.py"):
                self.bindgen("-o", other, "--check")

    def test_black_changes_nothing(self):
        run(tool("black"), "--check", "--diff", "--quiet", *self.files)

    def test_mypy_accepts_the_generated_code_and_the_runtime(self):
        run(tool("mypy"), "--strict", "--no-incremental", "--cache-dir", os.devnull, *self.files,
            *sorted((PACKAGE / "backplane").glob("*.py")), cwd=self.work)

    def test_each_file_can_be_imported(self):
        names = ", ".join(file.stem for file in self.files)
        run(sys.executable, "-B", "-c", f"import {names}", env={**os.environ, "PYTHONPATH": f"{PACKAGE}:{self.work}"})


if __name__ == "__main__":
    main()
