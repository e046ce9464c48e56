#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/fibers.md are those that are built here, and do what the page says."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from harness import MODULES, Case  # noqa: E402


class Page(Case):
    def test_the_page_shows_the_examples_that_are_built_here(self):
        sources = []
        for name in ("squares", "naps"):
            source = (ROOT / f"tests/docs/{name}.cpp").read_text(encoding="utf-8")
            sources.append(source.split("namespace {\n\n", 1)[1].split("\n}  // namespace", 1)[0])
        page = (ROOT / "docs/fibers.md").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"^```cpp\n(.*?)^```$", page, re.MULTILINE | re.DOTALL), sources)

    def test_the_example_adds_what_its_fiber_gives_it(self):
        self.host(modules=[MODULES / "squares.so"])
        self.assertEqual(self.bp_json("call", "squares.sum", '{"count": 4}'), {"sum": 30})
        self.assertEqual(self.bp_json("call", "squares.sum", '{"count": 0}'), {"sum": 0})

    def test_the_waits_of_the_second_example_overlap(self):
        self.host(modules=[MODULES / "naps.so"])
        # One after the other they would be over in the order in which they are given.
        self.assertEqual(self.bp_json("call", "naps.take", '{"ms": [500, 1]}'), [1, 500])
        self.assertEqual(self.bp_json("call", "naps.take", '{"ms": []}'), [])


if __name__ == "__main__":
    unittest.main()
