# SPDX-License-Identifier: Apache-2.0
"""What the tests of the checks share: a tree of their own, and a run of one check over it."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHECKS = os.path.join(ROOT, "scripts", "checks")
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"

sys.path.insert(0, CHECKS)


class CheckCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="bp-checks-")
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def run_check(self, name, *options):
        done = subprocess.run([os.path.join(CHECKS, name + ".py"), "--root", self.root, *options],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def passes(self, name, *options):
        code, out = self.run_check(name, *options)
        self.assertEqual(code, 0, out)

    def fails(self, name, *expected, options=()):
        code, out = self.run_check(name, *options)
        self.assertEqual(code, 1, out)
        for text in expected:
            self.assertIn(text, out)
