#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each row of scripts/bench-bindings runs, its answers are right (the programs see to that), and what it prints can be
read. No figure is judged."""
import contextlib
import io
import json
import os
import unittest

import run

KEYS = ["row", "value", "unit", "against", "floor", "ratio", "above", "reach", "met"]
ROWS = ["c.call", "c.parts", "cpp.call", "cpp.parts", "python.call", "python.await", "python.parts",
        "python.ctypes.call", "python.ctypes.await", "python.ctypes.parts", "rust.call", "rust.async", "rust.parts"]
WITHOUT = os.environ.get("BACKPLANE_WITHOUT", "").split()  # of scripts/test --without
LANGUAGES = [name for name in run.PROGRAMS if {"ctypes": "python"}.get(name, name) not in WITHOUT]


def output(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = run.main(arguments)
    return code, out.getvalue()


class Smoke(unittest.TestCase):
    def test_each_row_runs_and_its_object_is_whole(self):
        code, text = output("--smoke", "--json", *LANGUAGES)
        self.assertEqual(code, 0)
        rows = json.loads(text)
        self.assertEqual([row["row"] for row in rows],
                         [f"bindings.{name}" for name in ROWS if name.split(".")[0] not in WITHOUT])
        for row in rows:
            self.assertEqual(list(row), KEYS)
            self.assertGreater(row["value"], 0, row)
            self.assertAlmostEqual(row["ratio"], row["value"] / row["floor"])
            self.assertEqual(row["met"] is None, row["reach"] is None, row)
            self.assertEqual(row["above"] is None, row["unit"] != "ns", row)
        reach = {row["row"]: row["reach"] for row in rows if row["reach"]}
        reaches = {"cpp": "ratio <= 1.1", "python": "above <= 4000 ns", "rust": "above <= 100 ns"}
        self.assertEqual(reach, {f"bindings.{name}.call": of for name, of in reaches.items() if name not in WITHOUT})

    def test_met_says_whether_the_reach_is_reached(self):
        row = {"row": "r", "value": 220, "unit": "ns", "against": "a", "floor": 200}
        for reach, met in (("ratio <= 1.1", True), ("ratio <= 1.05", False), ("above <= 20 ns", True),
                           ("above <= 19 ns", False), ("ratio >= 1.2", False), (None, None)):
            self.assertIs(run.judged({**row, "reach": reach})["met"], met, reach)

    def test_the_table_is_markdown_with_a_line_for_each_row(self):
        code, text = output("--smoke", "c")
        self.assertEqual(code, 0)
        lines = [line for line in text.splitlines() if line.startswith("|")]
        self.assertEqual([line.split("|")[1].strip() for line in lines],
                         ["row", "---", "bindings.c.call", "bindings.c.parts"])
        self.assertEqual({line.count("|") for line in lines}, {9})

    def test_a_program_that_fails_fails_the_run_and_not_the_others(self):
        broken = {"c": run.PROGRAMS["c"], "no": lambda *_: (["/bin/false"], {})}
        run.PROGRAMS, kept = broken, run.PROGRAMS
        self.addCleanup(setattr, run, "PROGRAMS", kept)
        code, text = output("--smoke", "--json")
        self.assertEqual((code, len(json.loads(text))), (1, 2))

    def test_what_it_does_not_know_is_a_usage_error(self):
        for wrong in ("--quik", "perl"):
            with self.assertRaises(SystemExit) as caught:
                output(wrong)
            self.assertEqual(caught.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
