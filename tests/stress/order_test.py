#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""backplane-stress does the same operations for the same seed, and says what it should when it ends."""

import os
import re
import signal
import subprocess
import unittest

EXE = os.environ["BACKPLANE_STRESS"]
LIMIT = 120  # seconds that a run may take before it counts as hanging
LAST = re.compile(r"stress: [1-9][0-9]* requests, 0 lost, 0 twice\n\Z")


def run(*arguments):
    return subprocess.run([EXE, *arguments], capture_output=True, text=True, check=False, timeout=LIMIT)


def hashes(output):
    line = re.search(r"^order of the first (\d+) operations of each thread:((?: [0-9a-f]{16})+)$", output, re.MULTILINE)
    return line.group(0), line.group(2).split()


class Order(unittest.TestCase):
    def finish(self, *arguments):
        done = run(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, LAST)
        return hashes(done.stdout)

    def test_a_seed_fixes_the_order_of_operations(self):
        common = ("--threads", "3", "--operations", "400")
        first = self.finish("--seed", "5", *common)
        again = self.finish("--seed", "5", *common)
        other = self.finish("--seed", "6", *common)
        self.assertEqual(first[0], again[0])
        self.assertEqual(len(set(first[1])), 3, "each thread has an order of its own")
        self.assertFalse(set(first[1]) & set(other[1]), "another seed gives another order")
        fewer = self.finish("--seed", "5", "--threads", "1", "--operations", "400")
        self.assertEqual(fewer[1], first[1][:1], "a thread's order does not depend on the number of threads")

    def test_an_interrupt_ends_it_with_the_counts(self):
        with subprocess.Popen([EXE, "--seconds", "600", "--seed", "5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            line = process.stderr.readline()
            self.assertEqual(line, "stress: seed 5, 4 threads\n")
            while "requests" not in line:
                line = process.stderr.readline()
                self.assertTrue(line, "it ended before it said anything")
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=LIMIT)
            self.assertEqual(process.returncode, 0, stdout + stderr)
            self.assertRegex(stdout, LAST)

    def test_wrong_arguments_are_refused(self):
        for arguments in (("--threads", "0"), ("--nonsense",), ("--seconds", "1", "--operations", "1"), ("more",)):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("--help", done.stderr)
        self.assertIn("0 lost, 0 twice", run("--help").stdout.replace("N", "0"))

    def test_what_must_hold_and_does_not_is_said(self):
        done = run("--seed", "9", "--operations", "10", "--modules", "/nonexistent")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"PROBLEM: the first loading returned load_refused: .*/nonexistent")
        self.assertIn("again: backplane-stress --seed 9 --threads 4 --operations 10\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
