#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the generated C++ reads and writes is what cbor2 reads and writes."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "codec"))
import cross_check  # noqa: E402

PROGRAM = [os.environ["BACKPLANE_BINDINGS_BIN"] + "/bindings_cpp_forms", "codec"]


class Codec(unittest.TestCase):
    def test_generated_values_come_back(self):
        cross_check.check_generated(PROGRAM, str, 10000, fills=True, keeps_null=True)

    def test_damaged_items_are_read_as_cbor2_reads_them(self):
        cross_check.check_damaged(PROGRAM, str, 10000, fills=True, keeps_null=True)


if __name__ == "__main__":
    unittest.main()
