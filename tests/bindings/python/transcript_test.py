#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The transcript of the generated Python, embedded and connected."""
import os
import pathlib
import sys
import unittest

from support import BUILD, BUNDLED, folder, generate, main

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "transcript"))
import transcript  # noqa: E402

PROGRAM = [sys.executable, "-B", HERE / "transcript_program.py"]


class Transcript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        work = cls.enterClassContext(folder())
        generate(work, *BUNDLED)
        cls.environment = {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{work}"}

    def test_embedded_it_is_as_expected(self):
        transcript.embedded(PROGRAM, BUILD, self.environment)

    def test_connected_it_is_as_expected(self):
        transcript.connected(PROGRAM, BUILD, self.environment)

    def test_a_host_that_is_killed_ends_the_calls(self):
        transcript.killed(PROGRAM, BUILD, self.environment)


if __name__ == "__main__":
    main()
