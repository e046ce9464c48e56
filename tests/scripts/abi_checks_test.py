# SPDX-License-Identifier: Apache-2.0
"""The checks of the ABI find each kind of change: scripts/checks/abi.py and statuses.py."""

import json
import os
import unittest

from check_case import ROOT, CheckCase

HEADER = """/* SPDX */
#include <stddef.h>
#include <stdint.h>
#define BP_EXPORT __attribute__((visibility("default")))
typedef int32_t bp_status;
enum { BP_RED = 1, BP_GREEN = 2 };
typedef struct bp_thing {
  uint32_t struct_size;
  uint32_t colour;
  void (*done)(uint64_t number);
} bp_thing;
/* A table that only modules see. */
typedef struct bp_table {
  bp_status (*reply)(uint64_t token);
} bp_table;
BP_EXPORT bp_status bp_make(const bp_thing* thing,
                            uint64_t how_many);
BP_EXPORT void bp_drop(void);
static inline int bp_inner(int x) { if (x) { return 1; } return 2; }
"""
MAP = "V_1 {\n  global:\n    bp_make;\n    bp_drop;\n  local: *;\n};\n"


class Abi(CheckCase):
    def setUp(self):
        super().setUp()
        self.write("abi/include/backplane/base.h", HEADER)
        self.write("abi/library.map", MAP)
        code, out = self.run_check("abi", "--update")
        self.assertEqual(code, 0, out)
        self.passes("abi")

    def change(self, old, new, *expected):
        self.assertIn(old, HEADER)
        self.write("abi/include/backplane/base.h", HEADER.replace(old, new))
        self.fails("abi", "abi/baseline.xml:1: the headers declare another ABI", *expected)

    def test_a_function_that_is_gone(self):
        self.write("abi/library.map", MAP.replace("    bp_drop;\n", ""))
        self.change("BP_EXPORT void bp_drop(void);\n", "", "bp_drop")

    def test_a_function_with_other_parameters(self):
        self.change("uint64_t how_many", "uint32_t how_many", "bp_make", "parameter 2")

    def test_a_new_function(self):
        self.write("abi/library.map", MAP.replace("bp_drop;", "bp_drop;\n    bp_more;"))
        self.change("BP_EXPORT void bp_drop(void);", "BP_EXPORT void bp_drop(void);\nBP_EXPORT void bp_more(void);",
                    "bp_more")

    def test_a_struct_that_grows(self):
        self.change("  void (*done)", "  uint64_t more;\n  void (*done)", "bp_thing", "more")

    def test_a_member_of_another_name(self):
        self.change("uint32_t colour", "uint32_t color", "colour", "color")

    def test_a_callback_of_another_type(self):
        self.change("(*done)(uint64_t number)", "(*done)(uint32_t number)", "bp_thing", "done")

    def test_a_table_that_no_function_mentions(self):
        self.change("(*reply)(uint64_t token)", "(*reply)(uint64_t token, uint64_t more)", "bp_table")

    def test_a_constant_with_another_value(self):
        self.change("BP_GREEN = 2", "BP_GREEN = 3", "BP_GREEN", "'2' to '3'")

    def test_a_constant_that_is_gone_or_new(self):
        self.change(", BP_GREEN = 2", "", "BP_GREEN")
        self.change("BP_GREEN = 2", "BP_GREEN = 2, BP_BLUE = 3", "BP_BLUE")

    def test_another_version_of_a_symbol(self):
        self.write("abi/library.map", MAP.replace("V_1", "V_2"))
        self.fails("abi", "bp_make@@V_1")

    def test_comments_names_of_parameters_and_inline_functions_do_not_count(self):
        self.write("abi/include/backplane/base.h", HEADER.replace("uint64_t how_many", "uint64_t count")
                   .replace("/* A table that only modules see. */", "").replace("return 2;", "return 3;"))
        self.passes("abi")

    def test_without_headers_or_a_baseline_it_has_seen_nothing(self):
        os.remove(os.path.join(self.root, "abi/baseline.xml"))
        code, out = self.run_check("abi")
        self.assertEqual(code, 2, out)
        self.assertIn("--update", out)
        os.remove(os.path.join(self.root, "abi/include/backplane/base.h"))
        code, out = self.run_check("abi")
        self.assertEqual(code, 2, out)


class Statuses(CheckCase):
    def header(self, entries):
        self.write("abi/include/backplane/base.h",
                   "#define BP_STATUS_LIST(X) \\\n" + " \\\n".join(entries) + "\n\n#define BP_STATUS_MODULE_FIRST 1000\n")

    def test_the_file_follows_the_list(self):
        self.header(['X(OK, 0, "ok")', 'X(PARTIAL, 4, "one part")'])
        code, out = self.run_check("statuses", "--update")
        self.assertEqual(code, 0, out)
        self.passes("statuses")
        with open(os.path.join(self.root, "abi/statuses.json"), encoding="utf-8") as file:
            found = json.load(file)
        self.assertEqual(found["module_first"], 1000)
        self.assertEqual(found["statuses"][1], {"number": 4, "name": "partial", "constant": "BP_PARTIAL",
                                                "text": "one part", "terminal": False})
        self.header(['X(OK, 0, "ok")', 'X(PARTIAL, 5, "one part")'])
        self.fails("statuses", "abi/statuses.json:1:", "partial (4)", "partial (5)")
        self.header(['X(OK, 0, "ok")', 'X(PARTIAL, 4, "a part")'])
        self.fails("statuses", "texts")

    def test_without_a_list_it_has_seen_nothing(self):
        code, out = self.run_check("statuses")
        self.assertEqual(code, 2, out)


class OurOwn(unittest.TestCase):
    def test_the_baseline_and_the_statuses_are_those_of_the_headers(self):
        for name in ("abi", "statuses"):
            with self.subTest(name):
                code = os.spawnl(os.P_WAIT, os.path.join(ROOT, "scripts", "checks", name + ".py"), name + ".py")
                self.assertEqual(code, 0)


if __name__ == "__main__":
    unittest.main()
