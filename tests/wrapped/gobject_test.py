# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a module that registers a GObject type and does not say unload=never."""

import signal
import unittest

from harness import MODULES, Case

FORGETS = MODULES / "gobject_forgets.so"
WARNING = ("it imports g_type_register_static, and may leave a type of GObject behind, which the host cannot see; take it "
           "back in deinit, or set unload=never")


class Forgets(Case):
    def setUp(self):
        super().setUp()
        if not FORGETS.exists():
            self.fail(f"found no module {FORGETS}; run scripts/setup wrapped, and build again")

    def test_inspect_and_load_warn_of_it_unless_the_manifest_says_never(self):
        self.assertIn(WARNING, self.bp_json("inspect", str(FORGETS))["warnings"])
        self.assertEqual(self.bp_json("inspect", str(MODULES / "gobject.so"))["warnings"], [])
        self.host(modules=())
        self.assertIn(f"warning: gobject_forgets: {WARNING}", self.bp("load", str(FORGETS))[1])

    def test_its_next_generation_crashes_in_the_code_of_the_first(self):
        process = self.host(modules=[FORGETS])
        self.assertEqual(self.bp("call", "gobject_forgets.work", "a", "--raw")[0], "A")
        self.assertIn("gone", self.bp("unload", "gobject_forgets")[0])
        self.bp("load", str(FORGETS))
        self.bp("call", "gobject_forgets.work", "a", "--raw", code=3)
        code, _, err = process.end()
        self.assertEqual(code, -signal.SIGSEGV)
        self.assertRegex(err, r'backplane: SIGSEGV in the handler of "gobject_forgets\.work" .*, generation 2, .*; code of the '
                              r'module "gobject_forgets", generation 1, unloaded \d+ s ago, was called from ')

    def test_with_the_setting_of_the_operator_it_goes_on(self):
        self.host(modules=())
        self.bp("load", str(FORGETS), "--unload", "never")
        self.assertIn("1 unload_never", self.bp("unload", "gobject_forgets", code=1)[0])
        self.bp("load", str(FORGETS), "--unload", "never")
        self.assertEqual(self.bp("call", "gobject_forgets.work", "b", "--raw")[0], "B")
        self.bp("stop")


if __name__ == "__main__":
    unittest.main()
