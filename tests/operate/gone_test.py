# SPDX-License-Identifier: Apache-2.0
"""A module that is gone: what still calls its code meets no other code, and the crash line says whose it was."""

import os
import pathlib
import re
import signal
import unittest

from harness import Case

BESIDE = os.environ["BACKPLANE_TEST_MODULES_DIR"]


class GoneTest(Case):
    def test_a_callback_that_is_left_in_a_library_and_called_later_is_told(self):
        late = self.path("late")
        self.environment |= {"BP_TEST_LATE": late}
        process = self.host(modules=[f"{BESIDE}/uses_lasting.so"])
        self.assertEqual(self.bp("call", "uses_lasting.later", "--raw")[0], "1")
        self.assertIn("gone", self.bp("unload", "uses_lasting")[0])
        open(late, "w").close()
        code, _, err = process.end()
        sanitizer = {"ASAN_OPTIONS": 1, "TSAN_OPTIONS": 66}  # they end the process themselves
        self.assertEqual(code, next((end for name, end in sanitizer.items() if name in os.environ), -signal.SIGSEGV))
        lines = [line for line in err.splitlines() if line.startswith("backplane: SIG")]
        self.assertEqual(len(lines), 1, err)
        self.assertRegex(lines[0], r'^backplane: SIGSEGV: code of the module "uses_lasting", generation 1, unloaded \d+ s ago, '
                                   r"was called from thread \d+ \(\S+\); the process ends\. Frames: "
                                   r"libbp_lasting\.so\S*\[[0-9a-f]*\]\+0x[0-9a-f]+$")

    def test_an_object_that_a_thread_keeps_is_unmapped_by_the_host_and_the_hint_says_so(self):
        late = self.path("late")
        self.environment |= {"BP_TEST_LATE": late}
        process = self.host(modules=[f"{BESIDE}/leaves.so"])
        self.assertEqual(self.bp("call", "leaves.blocked", "--raw")[0], "1")
        self.eventually("the thread does not begin", lambda: "left-asleep\n" in [
            comm.read_text() for comm in pathlib.Path(f"/proc/{process.pid}/task").glob("*/comm")])
        _, err = self.bp("unload", "leaves", code=1)
        self.assertIn("when that has ended, the host unmaps it by itself, within a minute; to have it sooner, run again: "
                      "backplane unload leaves", err)
        open(late, "w").close()
        process.wait_err("leaves (generation 1) is gone")

    def test_the_addresses_of_the_last_generations_stay_reserved_and_no_more(self):
        process = self.host(modules=[])
        def reserved():
            with open(f"/proc/{process.pid}/maps") as maps:
                return sum(1 for line in maps if re.search(r" ---p 00000000 00:00 0\s*$", line))
        before = reserved()
        for _ in range(70):
            self.bp("load", f"{BESIDE}/uses_lasting.so")
            self.bp("unload", "uses_lasting")
        self.assertLessEqual(reserved() - before, 64)


if __name__ == "__main__":
    unittest.main(verbosity=2)
