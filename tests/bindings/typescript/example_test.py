#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""examples/typescript works as its README says, from the package alone."""
import shutil
import subprocess
import sys
import unittest

import prepare

sys.path.insert(0, str(prepare.HERE.parent / "transcript"))
import transcript  # noqa: E402

EXPECTED = """greeting: put
[ 'hello', 9223372036854775808n ]
tick 1 of 3
tick 2 of 3
tick 3 of 3
3 ticks
deadline
delay_ms: 3600000 is above this timer's limit of 60000; raise max_delay_ms in its configuration, or ask for less
{ name: 'user 42' }
"""


class Example(unittest.TestCase):
    def test_the_example_prints_what_it_should(self):
        with prepare.installed([]) as folder, transcript.Host(prepare.BUILD) as host:
            shutil.copy(prepare.ROOT / "examples" / "typescript" / "main.ts", folder)
            prepare.run(prepare.BUILD / "bin" / "backplane", "bindgen", "typescript", "--socket", host.socket, "-o",
                        folder / "generated")
            prepare.run(prepare.TSC, *prepare.STRICT, "main.ts", cwd=folder)
            done = subprocess.run(["node", "main.js", host.socket], cwd=folder, capture_output=True, text=True, timeout=60,
                                  check=False)
            self.assertEqual((done.stdout, done.stderr, done.returncode), (EXPECTED, "", 0))


if __name__ == "__main__":
    unittest.main()
