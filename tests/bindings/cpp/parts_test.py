#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Partial replies and requests in parts through generated C++, embedded and connected."""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "transcript"))
import transcript  # noqa: E402

BUILD = pathlib.Path(os.environ["BACKPLANE_BUILD"])
PROGRAM = os.environ["BACKPLANE_BINDINGS_BIN"] + "/bindings_cpp_parts"
STREAMS = BUILD / "tests/modules/streams.so"


class Parts(unittest.TestCase):
    def check(self, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=50)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_parts_come_and_go_embedded(self):
        self.check("embedded", BUILD / "plugins/timer.so", STREAMS)

    def test_parts_come_and_go_connected(self):
        with transcript.Host(BUILD, STREAMS) as host:
            self.check("connected", host.socket)


if __name__ == "__main__":
    unittest.main()
