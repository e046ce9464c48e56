#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The transcript of the generated C++, embedded and connected."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "transcript"))
import transcript  # noqa: E402

BUILD = os.environ["BACKPLANE_BUILD"]
PROGRAM = [os.environ["BACKPLANE_BINDINGS_BIN"] + "/bindings_cpp_transcript"]


class Transcript(unittest.TestCase):
    def test_embedded_it_is_as_expected(self):
        transcript.embedded(PROGRAM, BUILD)

    def test_connected_it_is_as_expected(self):
        transcript.connected(PROGRAM, BUILD)

    def test_a_host_that_is_killed_ends_the_calls(self):
        transcript.killed(PROGRAM, BUILD)


if __name__ == "__main__":
    unittest.main()
