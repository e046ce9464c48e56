#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each row of the bench runs, its answers are right (the program sees to that), and what it prints can be read.
No figure is judged."""

import json
import os
import subprocess
import unittest

BENCH = os.environ["BACKPLANE_BENCH"]
KEYS = ["row", "value", "unit", "against", "floor", "ratio", "reach", "met"]


def run(*arguments):
    return subprocess.run([BENCH, *arguments], capture_output=True, text=True, check=False, timeout=100)


class Smoke(unittest.TestCase):
    def names(self, *arguments):
        done = run("--list", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.split()[0] for line in done.stdout.splitlines()]

    def test_each_row_runs_and_its_object_is_whole(self):
        names = self.names()
        self.assertTrue(names)
        self.assertEqual(len(names), len(set(names)))
        done = run("--smoke", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(done.stdout)
        self.assertEqual([row["row"] for row in rows], names)
        for row in rows:
            self.assertEqual(list(row), KEYS)
            self.assertGreaterEqual(row["value"], 0, row)
            if row["reach"] is None:
                self.assertIsNone(row["met"], row)
            else:
                self.assertRegex(row["reach"], r"^(ratio|value) [<>]= [0-9]")
                self.assertIsInstance(row["met"], bool)
            self.assertEqual(row["floor"] is None, row["against"] == "", row)
            if row["floor"] is None:
                self.assertIsNone(row["ratio"])
            else:
                self.assertAlmostEqual(row["ratio"], row["value"] / row["floor"], delta=row["ratio"] * 1e-3)

    def test_met_says_whether_the_reach_is_reached(self):
        name = self.names()[0]
        done = run("--smoke", "--json", "--row", name)
        self.assertEqual(done.returncode, 0, done.stderr)
        row = json.loads(done.stdout)[0]
        of, sign, limit = row["reach"].split()[:3]
        judged = row[of]
        self.assertEqual(row["met"], judged <= float(limit) if sign == "<=" else judged >= float(limit), row)

    def test_the_table_is_markdown_with_a_line_for_each_row(self):
        names = self.names("--row", "fiber.create")
        self.assertEqual(names, ["fiber.create.c", "fiber.create.cpp"])
        done = run("--smoke", "--row=fiber.create")
        self.assertEqual(done.returncode, 0, done.stderr)
        table = [line for line in done.stdout.splitlines() if line.startswith("|")]
        self.assertEqual([line.split("|")[1].strip() for line in table], ["row", "---", *names])
        self.assertEqual({line.count("|") for line in table}, {table[0].count("|")})

    def test_a_latency_has_lines_for_its_slowest_of_which_nothing_is_to_be_reached(self):
        names = ["roundtrip.warm", "roundtrip.warm.p99", "roundtrip.warm.p999"]
        for wanted in ("roundtrip.warm", "roundtrip.warm.p99"):
            self.assertEqual(self.names("--row", wanted), names)
            done = run("--smoke", "--json", "--row", wanted)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = json.loads(done.stdout)
            self.assertEqual([row["row"] for row in rows], names)
            self.assertEqual([(row["reach"] is None, row["met"] is None) for row in rows],
                             [(False, False), (True, True), (True, True)])
            for part in ("value", "floor"):
                figures = [row[part] for row in rows]
                self.assertEqual(figures, sorted(figures))
        lines = run("--smoke", "--row=roundtrip.warm").stdout.splitlines()
        table = [line.split(" | ") for line in lines if line.startswith("| roundtrip")]
        self.assertEqual([line[5:] for line in table[1:]], [["–", "– |"]] * 2)

    def test_what_it_does_not_know_is_a_usage_error(self):
        for wrong in (("--row", "fiber.switc"), ("--row",), ("--row", ""), ("--row=",), ("--quik",),
                      ("fiber",), ("--list", "--json")):
            done = run(*wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""), wrong)
            self.assertRegex(done.stderr, "expected|needs", wrong)


if __name__ == "__main__":
    unittest.main()
