# SPDX-License-Identifier: Apache-2.0
"""backplane try: what it tells of good modules, of bad ones, and of what is left; and the switch of trial loads."""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import EXE, PLUGINS, Case

MODULES = pathlib.Path(os.environ["BACKPLANE_TRIAL_MODULES"])
SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))


class TryTest(Case):
    def setUp(self):
        super().setUp()
        if "ASAN_OPTIONS" in self.environment:  # freed memory is kept, and a leak is a failure of the process
            self.environment["ASAN_OPTIONS"] += ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0:detect_leaks=0"

    @unittest.skipIf(SANITIZED, "a sanitizer keeps memory for each object that was mapped")
    def test_a_good_module_goes_through_all_steps(self):
        out, _ = self.bp("try", str(PLUGINS / "echo.so"), "--config", '{"prefix": "> "}')
        steps = [line.split(":")[0] for line in out.splitlines()]
        self.assertEqual(steps[:6], ["load", "second generation", "unload", "load again", "unload again", "more loads"], out)
        self.assertTrue(out.endswith("all is well\n"), out)
        self.assertIn("it ran beside the first generation, which is gone", out)
        self.assertRegex(out, r"(?m)^load: loaded echo 1\.0\.0: .* \(\d+\.\d ms\)$")

    @unittest.skipIf(SANITIZED, "a sanitizer keeps memory for each object that was mapped")
    def test_as_json(self):
        out, _ = self.bp("try", str(PLUGINS / "timer.so"), "--json")
        found = json.loads(out)
        self.assertEqual((found["verdict"], found["left"], found["fault"]), ("well", [], None))
        self.assertEqual([step["step"] for step in found["steps"]][:2], ["load", "second generation"])
        self.assertTrue(all(step["ok"] and step["ms"] >= 0 for step in found["steps"]))

    def test_a_constructor_that_throws(self):
        out, _ = self.bp("try", str(MODULES / "throws.so"), code=5)
        self.assertIn("load: ", out)
        self.assertIn("its trial load, in a process of its own, failed", out)
        self.assertTrue(out.endswith('\nFAILED: it is refused in the step "load"\n'), out)
        self.assertNotIn("\x1b", out)
        out, err = self.bp("try", str(MODULES / "throws.so"), "--no-trial", code=5)
        if not SANITIZED:
            self.assertIn('FAILED: the process died of SIGABRT in the step "load"', out)
        self.assertIn('in the constructors of the module "throws"', err)

    def test_an_init_that_crashes_is_told_with_its_line(self):
        self.environment["LEAVES_CRASH"] = "1"
        found = json.loads(self.bp("try", str(MODULES / "leaves.so"), "--json", code=5)[0])
        self.assertEqual(found["verdict"], "failed")
        self.assertIn('in the step "load"', found["fault"])
        self.assertIn('SIGABRT in the init of the module "leaves", generation 1', found["stderr"])

    def test_code_that_hangs(self):
        out, _ = self.bp("try", str(MODULES / "hangs.so"), "--no-trial", "--timeout", "700", code=5)
        self.assertIn('FAILED: it did not return within 700 ms, in the step "load"', out)

    def test_a_second_generation_that_fails(self):
        out, _ = self.bp("try", str(MODULES / "registers_1.so"), code=5)
        self.assertIn("load: loaded registers", out)
        self.assertRegex(out, "second generation: .*File already exists in database.*alone it loads")
        self.assertTrue(out.endswith('\nFAILED: it is refused in the step "second generation"\n'), out)

    def test_what_is_left(self):
        found = json.loads(self.bp("try", str(MODULES / "leaves.so"), "--json", code=1)[0])
        self.assertEqual(found["verdict"], "left")
        kinds = {each["kind"] for each in found["left"]}
        self.assertLessEqual({"descriptor", "signal"}, kinds)
        if not SANITIZED:
            self.assertIn("memory", kinds)
        out, _ = self.bp("try", str(MODULES / "leaves.so"), code=1)
        self.assertRegex(out, r"(?m)^left: \d+ descriptors: /dev/zero$")
        self.assertRegex(out, r"(?m)^left: another action of SIGUSR2$")

    @unittest.skipIf(SANITIZED, "a sanitizer keeps memory for each object that was mapped")
    def test_a_warning_is_told_once(self):
        _, err = self.bp("try", str(MODULES / "warns.so"))
        self.assertRegex(err, r"(?m)^\S+ warn warns \(generation 1\): it imports pthread_key_create, .* \(11 times\)$")
        self.assertEqual(err.count("it imports"), 1, err)

    def test_usage(self):
        self.refused(2, "try")
        self.refused(2, "try", str(PLUGINS / "echo.so"), "--config", "[1]")
        out, _ = self.bp("try", self.write("text.so", "text"), code=5)
        self.assertIn("it is not an ELF file", out)


class SwitchTest(Case):
    def test_run_needs_its_program_and_says_how_to_do_without(self):
        alone = self.path("backplane")
        shutil.copy(EXE, alone)
        shutil.copy(pathlib.Path(EXE).parent.parent / "lib" / "libbackplane.so.0", self.dir)
        self.environment["LD_LIBRARY_PATH"] = str(self.dir)
        arguments = ["run", "--data-dir", self.path("data"), "--module", str(PLUGINS / "echo.so")]
        code, _, err = self.run_other(alone, *arguments)
        self.assertEqual(code, 2)
        self.assertIn(f"{self.path('libbackplane0/backplane-trial')}, cannot be run: No such file or directory", err)
        self.assertIn("--no-trial or trial_load = false", err)

    def run_other(self, exe, *arguments):
        done = subprocess.run([exe, *arguments], env=self.environment, cwd=self.dir, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_a_running_host_refuses_a_constructor_that_throws_and_goes_on(self):
        self.host(modules=[str(PLUGINS / "echo.so")])
        err = self.refused(5, "load", str(MODULES / "throws.so"))
        self.assertIn("its trial load, in a process of its own, failed", err)
        self.bp("call", "echo.shout", '{"text": "a"}')


if __name__ == "__main__":
    unittest.main(verbosity=2)
