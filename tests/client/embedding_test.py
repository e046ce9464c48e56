#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of the C++ client in docs/embedding.md are parts of programs in examples/cpp, and these programs run.

Usage: embedding_test.py BUILD_DIRECTORY
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path()
LIMIT = 60


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def contains(program, part):
    return any(program[i:i + len(part)] == part for i in range(len(program) - len(part) + 1))


class Embedding(unittest.TestCase):
    def test_each_example_of_the_page_is_a_part_of_a_program(self):
        page = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
        examples = re.findall(r"```cpp\n(.*?)```", page, re.DOTALL)
        self.assertGreater(len(examples), 5)
        programs = [lines(file.read_text(encoding="utf-8")) for file in (ROOT / "examples" / "cpp").glob("*.cpp")]
        for example in examples:
            self.assertTrue(any(contains(program, lines(example)) for program in programs), example)

    def test_the_application_embeds_a_host(self):
        done = subprocess.run([BUILD / "tests/bin/example_cpp_profiles", BUILD / "plugins"], capture_output=True,
                              text=True, timeout=LIMIT, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(sorted(lines(done.stdout)), sorted(["ada came", "ada is Ada Lovelace of London", "tick 1 of 3",
                                                             "tick 2 of 3", "tick 3 of 3"]))

    def test_the_application_takes_about_60_lines(self):
        code = lines((ROOT / "examples/cpp/profiles.cpp").read_text(encoding="utf-8"))
        self.assertLessEqual(len([line for line in code if not line.startswith("//")]), 68)

    def test_the_tour_connects_to_a_host(self):
        with tempfile.TemporaryDirectory(prefix="backplane-tour.") as directory:
            socket = os.path.join(directory, "host.sock")
            host = subprocess.Popen([BUILD / "bin/backplane", "run", "--socket", socket, "--data-dir",
                                     os.path.join(directory, "data"), "--module", BUILD / "plugins/kv.so", "--module",
                                     BUILD / "plugins/timer.so"], stderr=subprocess.PIPE, text=True)
            try:
                while "ready on" not in (line := host.stderr.readline()):
                    self.assertNotEqual(line, "", "the host has ended")
                done = subprocess.run([BUILD / "tests/bin/example_cpp_tour", socket], capture_output=True, text=True,
                                      timeout=LIMIT, check=False)
            finally:
                host.kill()
                host.communicate()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        out = lines(done.stdout)
        self.assertEqual(out[0], "tour was put")
        self.assertEqual(out[1], "kv.get: the key has 0 bytes; expected 1 to 1024")
        self.assertRegex(out[2], "^kv.put: bad_payload: .*value")
        self.assertEqual(out[3:], ["deadline", "callback: a value", "future: a value", "coroutine: a value", "1 of 3",
                                   "2 of 3", "3 of 3", "3 ticks", "tick 1", "tick 2", "2 ticks"])


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    unittest.main()
