#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The example of docs/fibers.md is the one that is built here, and does what the page says."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from harness import MODULES, Case  # noqa: E402


class Page(Case):
    def test_the_page_shows_the_example_that_is_built_here(self):
        source = (ROOT / "tests/docs/squares.cpp").read_text(encoding="utf-8")
        source = source.split("namespace {\n\n", 1)[1].split("\n}  // namespace", 1)[0]
        page = (ROOT / "docs/fibers.md").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"^```cpp\n(.*?)^```$", page, re.MULTILINE | re.DOTALL), [source])

    def test_the_example_adds_what_its_fiber_gives_it(self):
        self.host(modules=[MODULES / "squares.so"])
        self.assertEqual(self.bp_json("call", "squares.sum", '{"count": 4}'), {"sum": 30})
        self.assertEqual(self.bp_json("call", "squares.sum", '{"count": 0}'), {"sum": 0})


if __name__ == "__main__":
    unittest.main()
