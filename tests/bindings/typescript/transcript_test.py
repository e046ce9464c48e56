#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The transcript of TypeScript is that of all languages. There is no embedded lane: the package speaks the protocol."""
import sys
import unittest

import prepare

sys.path.insert(0, str(prepare.HERE.parent / "transcript"))
import transcript  # noqa: E402


class Transcript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = prepare.installed(["transcript.mjs"])
        folder = cls.context.__enter__()
        cls.addClassCleanup(cls.context.__exit__, None, None, None)
        prepare.compile_generated(folder)
        cls.program = ["node", folder / "transcript.mjs"]

    def test_connected(self):
        transcript.connected(self.program, prepare.BUILD)

    def test_killed(self):
        transcript.killed(self.program, prepare.BUILD)


if __name__ == "__main__":
    unittest.main()
