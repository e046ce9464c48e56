#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The example of docs/sdk.md that owns a port is the one that is built here, and is reloaded as the page says."""

import pathlib
import socket
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from harness import MODULES, Case  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Page(Case):
    def begin(self):
        self.host(modules=())
        self.port = free_port()
        self.bp("load", MODULES / "door.so", "--config", f'{{"port": {self.port}}}')

    def test_the_page_shows_the_example_that_is_built_here(self):
        source = (ROOT / "tests/docs/door.cpp").read_text(encoding="utf-8")
        shown = source.split("namespace {\n\n", 1)[1].replace("}  // namespace\n\n", "")
        self.assertIn(f"```cpp\n{shown}```\n", (ROOT / "docs/sdk.md").read_text(encoding="utf-8"))

    def test_it_is_reloaded_although_two_generations_cannot_have_the_port(self):
        self.begin()
        self.assertRegex(self.bp("ls", "door")[0], r"(?m)^reload +old_first$")
        calls = [self.spawn("call", "door.wait", '{"ms": 10000}') for _ in range(2)]
        self.eventually("both wait", lambda: self.bp_json("status")["contexts"][0]["suspended"]["now"] == 2)
        reload = self.spawn("reload", "door", "--drain", "30000")
        self.eventually("calls are held", lambda: self.bp_json("status")["held"])
        held = self.spawn("call", "door.wait", '{"ms": 0}')
        self.eventually("one waits", lambda: self.bp_json("status")["held"][0]["calls"] == 1)
        self.assertRegex(self.bp("status")[0], r"(?m)^door: 1 call waits for its next generation, held for \d+\.\d s$")
        with socket.create_connection(("127.0.0.1", self.port)):
            for call in calls:
                call.wait_out("true")
        reload.wait_out("reloaded door 1, generation 2")
        held.wait_out("false")
        with socket.create_connection(("127.0.0.1", self.port)):
            self.assertEqual(self.bp("call", "door.wait", '{"ms": 10000}')[0], "true\n")

    def test_old_first_and_its_bound_are_usage_errors_where_they_mean_nothing(self):
        self.begin()
        self.bp("load", MODULES / "squares.so")
        err = self.bp("reload", "squares", "--drain", "100", code=2)[1]
        self.assertIn("a reload that does not wait for the end of the old generation; nothing has changed", err)
        self.assertIn("hint: backplane reload squares --old-first", err)
        self.assertEqual(self.bp("reload", "squares", "--drain", "0", code=2)[0], "")
        for command in (("load", MODULES / "naps.so"), ("unload", "squares")):
            for option in (("--old-first",), ("--drain", "100")):
                self.bp(*command, *option, code=2)
        self.assertEqual([module["generation"] for module in self.bp_json("ls")["modules"]], [1, 1])


if __name__ == "__main__":
    unittest.main()
