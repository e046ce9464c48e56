#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What README.md shows is true: its programs are the ones built here, and its commands answer as it says.

Usage: readme_test.py BUILD_DIRECTORY
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import cbor2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "readme")
BUILD = ""


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def shown_commands():
    """(command, the lines below it) of every `$ backplane …` in README.md."""
    found, current = [], None
    for line in text("README.md").splitlines():
        if line.startswith("    $ "):
            current = (line.removeprefix("    $ ").removeprefix("build/bin/"), [])
            found.append(current)
        elif line.startswith("    ") and current:
            current[1].append(line.strip())
        else:
            current = None
    return found


class Programs(unittest.TestCase):
    def block(self, language):
        return re.findall(rf"^```{language}\n(.*?)^```$", text("README.md"), re.MULTILINE | re.DOTALL)

    def test_the_programs_it_shows_are_the_ones_built_here(self):
        for language, name in (("cpp", "first_module.cpp"), ("c", "first_application.c")):
            source = text("tests", "readme", name).split("\n", 1)[1]  # without the licence line
            self.assertIn(source, self.block(language), f"README.md does not show tests/readme/{name} as it is")

    def test_the_application_gets_its_answer(self):
        done = subprocess.run([os.path.join(BUILD, "tests/readme/first_application"), os.path.join(BUILD, "plugins/echo.so")],
                              capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(cbor2.loads(done.stdout), {"shouted": "HELLO", "prefix": ""})


class Commands(unittest.TestCase):
    """Every command with an answer below it, in order, against one host that has all modules shown."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="bp-readme-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.dir)
        self.environment = {**os.environ, "BACKPLANE_SOCKET": os.path.join(self.dir, "s")}
        self.log = open(os.path.join(self.dir, "log"), "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.host = subprocess.Popen(
            [os.path.join(BUILD, "bin/backplane"), "run", "--data-dir", os.path.join(self.dir, "data"), "--module-dir",
             os.path.join(BUILD, "plugins"), "--module", os.path.join(BUILD, "tests/readme/kitchen.so")],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.addCleanup(self.end)
        deadline = time.monotonic() + 60
        while "ready on" not in self.said():
            self.assertIsNone(self.host.poll(), self.said())
            self.assertLess(time.monotonic(), deadline, self.said())
            time.sleep(0.02)

    def said(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def end(self):
        if self.host.poll() is None:
            self.host.terminate()
        self.assertEqual(self.host.wait(timeout=60), 0, self.said())

    def test_each_answers_as_shown(self):
        checked = 0
        for command, answer in shown_commands():
            words = shlex.split(command)
            if words[:2] != ["backplane", "call"] or not answer:
                continue
            done = subprocess.run([os.path.join(BUILD, "bin/backplane"), *words[1:]], env=self.environment,
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual((done.stdout + done.stderr).split("\n")[:-1], answer, command)
            checked += 1
        self.assertGreaterEqual(checked, 8)


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main()
