#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls of each kind through the generated C, to the module with every form."""
import os
import subprocess
import unittest

PROGRAM = os.environ["BACKPLANE_BINDINGS_BIN"] + "/bindings_c_forms"


class Calls(unittest.TestCase):
    def test_each_kind_of_call_works_embedded(self):
        done = subprocess.run([PROGRAM, "embedded", os.environ["BACKPLANE_FORMS"]], capture_output=True, text=True,
                              check=False, timeout=50)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
