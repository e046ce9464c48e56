# SPDX-License-Identifier: Apache-2.0
"""A crash names its culprit: one line with signal, module, generation, wire name and frames, then the usual end."""

import os
import re
import signal
import subprocess
import unittest

from harness import EXE, LIMIT, Case

CRASH = os.environ["BACKPLANE_CRASH"]
WAYS = {"segv": signal.SIGSEGV, "bus": signal.SIGBUS, "fpe": signal.SIGFPE, "ill": signal.SIGILL,
        "abort": signal.SIGABRT}
SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))
PLACES = {
    "constructor": "constructors", "init": "init", "create": "instance", "deinit": "deinit",
    "handler": 'handler of "crash.handler"', "blocking": 'handler of "crash.blocking"',
    "fiber": 'handler of "crash.fiber"',
}
CALLED = ("handler", "blocking", "fiber")


def build_id(path):
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)


class CrashTest(Case):
    def crash(self, place, way):
        """Has the module crash; returns the exit code of the host and its stderr."""
        self.environment |= {"CRASH_PLACE": place, "CRASH_WAY": way}
        if place in ("constructor", "init", "create"):
            process = self.spawn("run", "--data-dir", self.path("data"), "--module", CRASH,
                                 "--no-trial")
            code, _, err = process.end()
            return code, err
        process = self.host(modules=[CRASH])
        arguments = ["unload", "crash"] if place == "deinit" else ["call", f"crash.{place}", "1"]
        client = subprocess.Popen([EXE, *arguments], env=self.environment, cwd=self.dir, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        self.client = client.pid
        client.wait(LIMIT)
        code, _, err = process.end()
        return code, err

    def caller(self, place):
        """What the line says of who made the call, and of the fiber."""
        if place not in CALLED:
            return ""
        fiber = ", in fiber 1" if place == "fiber" else ""
        return rf"{fiber}, called by process {self.client} \(user {os.getuid()}, {os.path.basename(EXE)[:15]}\)"

    def check(self, place, way):
        code, err = self.crash(place, way)
        name = f"SIG{way.upper()}" if way != "abort" else "SIGABRT"
        line = next((line for line in err.splitlines() if line.startswith("backplane: SIG")), err)
        self.assertRegex(line, rf'^backplane: {name} in the {PLACES[place]} of the module "crash", generation 1'
                               rf"{self.caller(place)}; the process ends\. Frames: \S")
        self.assertRegex(line, rf"\.so\[{build_id(CRASH)}\]\+0x[0-9a-f]+")
        self.assertEqual(len([line for line in err.splitlines() if line.startswith("backplane: SIG")]), 1)
        if not SANITIZED:
            self.assertEqual(code, -WAYS[way])

    def test_in_each_place(self):
        for place in PLACES:
            with self.subTest(place):
                self.check(place, "segv")

    def test_by_each_signal(self):
        for way in WAYS:
            with self.subTest(way):
                self.check("handler", way)

    @unittest.skipIf(SANITIZED, "a sanitizer reports an overflow itself")
    def test_a_used_up_stack_is_told_on_each_thread(self):
        code, err = self.crash("blocking", "overflow")
        self.assertRegex(err, '(?m)^backplane: stack overflow in "crash.blocking" of the module "crash": its stack of ')
        self.assertNotIn("SIGSEGV in", err)
        self.assertEqual(code, -signal.SIGSEGV)
        for place in ("constructor", "init", "deinit"):
            with self.subTest(place):
                code, err = self.crash(place, "overflow")
                self.assertRegex(err, f'(?m)^backplane: SIGSEGV in the {PLACES[place]} of the module "crash", generation 1')
                self.assertEqual(code, -signal.SIGSEGV)

    def test_exit_in_a_module_is_told_and_is_no_success(self):
        for place in ("handler", "init", "blocking"):
            with self.subTest(place):
                code, err = self.crash(place, "exit")
                self.assertEqual(code, 1)
                self.assertRegex(err, rf'(?m)^backplane: exit\(\) was called in the {PLACES[place]} of the module "crash", '
                                      rf"generation 1{self.caller(place)}; the process ends with 1$")

    def test_the_frames_lead_to_the_fault(self):
        _, err = self.crash("handler", "segv")
        offset = re.search(rf"\[{build_id(CRASH)}\]\+(0x[0-9a-f]+)", err).group(1)
        symbols = subprocess.run(["nm", CRASH], capture_output=True, text=True, check=True).stdout
        at = {line.split()[2]: int(line.split()[0], 16) for line in symbols.splitlines() if len(line.split()) == 3}
        if "crash_in" in at:
            later = min((value for value in at.values() if value > at["crash_in"]), default=1 << 62)
            self.assertTrue(at["crash_in"] <= int(offset, 16) < later, (offset, at))

    def test_lines_of_the_log_come_first(self):
        _, err = self.crash("handler", "abort")
        self.assertRegex(err, r"(?s)run: ready on .*\nbackplane: SIGABRT")

    def terminate(self, verb, *arguments):
        """The line about a call of the module terminates, and whether the host died of SIGABRT."""
        process = self.host(modules=[os.environ["BACKPLANE_TERMINATES"]])
        client = subprocess.Popen([EXE, "call", f"terminates.{verb}", *arguments], env=self.environment, cwd=self.dir,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client.wait(LIMIT)
        code, _, err = process.end()
        if not SANITIZED:
            self.assertEqual(code, -signal.SIGABRT)
        return next((line for line in err.splitlines() if line.startswith("backplane: SIG")), err)

    def check_canceled(self, verb, fiber, why, *arguments):
        self.assertRegex(self.terminate(verb, *arguments),
                         rf'^backplane: SIGABRT in the handler of "terminates\.{verb}" of the module "terminates", '
                         rf"generation 1{fiber}, called by .*; the process ends\. {why}: a wait or switch throws "
                         r"backplane::Canceled then, and in a destructor or a noexcept function that ends the process\. "
                         r"Wait outside of these, or use try_switch_to\. Frames: \S")

    def test_a_cancellation_that_cannot_throw_is_told(self):
        late = "The deadline of its call had passed"
        for verb, fiber in (("noexcept", ""), ("blocking", ""), ("destructor", ""), ("inside", ", in fiber 1")):
            with self.subTest(verb):
                self.check_canceled(verb, fiber, late, "--timeout", "100")
        with self.subTest("fiber"):
            self.check_canceled("fiber", ", in fiber 2", "The fiber was being destroyed")

    def test_another_exception_in_a_noexcept_function_is_no_cancellation(self):
        line = self.terminate("throws")
        self.assertRegex(line, r'SIGABRT in the handler of "terminates\.throws" .*; the process ends\. Frames: ')

    def test_a_signal_from_outside_is_not_a_crash_of_a_module(self):
        process = self.host(modules=[CRASH])
        process.signal(signal.SIGSEGV)
        code, _, err = process.end()
        self.assertNotIn("of the module", err)
        if not SANITIZED:
            self.assertEqual(code, -signal.SIGSEGV)


if __name__ == "__main__":
    unittest.main()
