#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The program of examples/python does what it says, embedded and connected."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from support import PLUGINS, SECONDS, Host, folder, generate, main, module

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "python" / "planner.py"
EXPECTED = """hello
1 of 3
2 of 3
3 of 3
3 ticks
no answer within 10 ms
delay_ms: 1000000000 is above this timer's limit of 60000; raise max_delay_ms in its configuration, or ask for less
['message 0', 'message 1', 'message 2']
True
{'name': 'user 7'}
"""


class Example(unittest.TestCase):
    def run_it(self, work, *arguments):
        generate(work, "timer", "session")
        shutil.copy(EXAMPLE, work)
        done = subprocess.run([sys.executable, "-B", "planner.py", *map(str, arguments)], cwd=work, text=True,
                              capture_output=True, timeout=SECONDS, check=False, env=dict(os.environ))
        return done.returncode, done.stdout, done.stderr

    def test_it_runs_embedded(self):
        with folder() as work:
            self.assertEqual(self.run_it(work, "embedded", PLUGINS), (0, EXPECTED, ""))

    def test_it_runs_connected(self):
        with folder() as work, Host(work, module("timer"), module("session")) as host:
            self.assertEqual(self.run_it(work, "connected", host.socket), (0, EXPECTED, ""))


if __name__ == "__main__":
    main()
