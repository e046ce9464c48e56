# SPDX-License-Identifier: Apache-2.0
"""Commands, and a host, whose memory runs out at each of their allocations in turn: they say so, and never abort."""

import os
import select
import signal
import subprocess
import time
import unittest

from harness import EXE, LIMIT, PLUGINS, Case

PRELOAD = os.environ["BACKPLANE_PRELOAD"]
TRIALS = 60  # of each command and mode, spread over all of its allocations


class Memory(Case):
    def failing(self, nth, mode, at_signal=False):
        """The environment in which the nth allocation fails."""
        out = dict(self.environment, LD_PRELOAD=PRELOAD, BACKPLANE_FAIL=f"{nth} {mode}",
                   BACKPLANE_FAIL_REPORT=self.path("steps"))
        if at_signal:
            out["BACKPLANE_FAIL_AT"] = "signal"
        return out

    def steps(self):
        with open(self.path("steps"), encoding="utf-8") as file:
            return int(file.read())

    def trials(self, steps):
        """Each of the first, where most differs, and then some of the rest."""
        return list(range(1, 20)) + list(range(20, steps + 2, max(1, steps // TRIALS)))

    def run_failing(self, arguments, nth, mode):
        return subprocess.run([EXE, *arguments], env=self.failing(nth, mode), cwd=self.dir, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=LIMIT)

    def each_ends_with_an_exit_code(self, *arguments, code=0):
        self.assertEqual(self.run_failing(arguments, 1_000_000, "one").returncode, code)
        steps = self.steps()
        self.assertGreater(steps, 20)
        for mode in ("one", "from_then"):
            for nth in self.trials(steps):
                done = self.run_failing(arguments, nth, mode)
                what = f"{arguments}, {mode} {nth} of {steps}: {done.returncode}, {done.stderr.decode()}"
                self.assertIn(done.returncode, range(6), what)
                if done.returncode != 0:
                    self.assertIn(b"backplane: ", done.stderr, what)

    def test_commands_that_run_out_of_memory_say_so_and_end(self):
        self.host(modules=(PLUGINS / "echo.so", PLUGINS / "timer.so"))
        for arguments in (("ls",), ("status",), ("call", "echo.shout", '{"text": "hello"}'),
                          ("call", "timer.ticks", '{"count": 3, "interval_ms": 0}'), ("events", "--count", "0"),
                          ("inspect", str(PLUGINS / "echo.so")), ("bench", "echo.raw", "-n", "20")):
            with self.subTest(arguments):
                self.each_ends_with_an_exit_code(*arguments)
        with self.subTest("an error"):
            self.each_ends_with_an_exit_code("call", "not.there", code=1)
        # Not with a configuration file: toml++ 3 allocates in functions that are noexcept.
        with self.subTest("a plan"):
            self.each_ends_with_an_exit_code("run", "--check-config", "--module-dir", str(PLUGINS))
        self.bp("call", "echo.shout", '{"text": "hello"}')

    def begin_failing(self, nth, mode, at_signal):
        arguments = ["run", "--data-dir", self.path("data"), "--module", str(PLUGINS / "echo.so")]
        process = subprocess.Popen([EXE, *arguments], env=self.failing(nth, mode, at_signal), cwd=self.dir,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def ready(self, process):
        """Whether it serves; False once it has ended."""
        seen = b""
        end = time.monotonic() + LIMIT
        while b"ready on" not in seen:
            if process.poll() is not None and not select.select([process.stderr], [], [], 0)[0]:
                return False
            # A host whose line could not be printed for want of memory serves all the same.
            if select.select([process.stderr], [], [], 0.2)[0]:
                part = os.read(process.stderr.fileno(), 65536)
                seen += part
                if not part:
                    process.wait(LIMIT)
                    return False
            elif os.path.exists(self.socket) and self.serves():
                return True
            self.assertLess(time.monotonic(), end)
        return True

    def serves(self):
        return subprocess.run([EXE, "call", "echo.raw", "1"], env=self.environment, capture_output=True,
                              timeout=LIMIT).returncode == 0

    def test_a_host_that_runs_out_of_memory_while_it_starts_says_so_and_ends_or_serves(self):
        process = self.begin_failing(1_000_000, "one", False)
        self.assertTrue(self.ready(process))
        self.bp("stop")
        self.assertEqual(process.wait(LIMIT), 0)
        steps = self.steps()
        for mode in ("one", "from_then"):
            for nth in self.trials(steps):
                process = self.begin_failing(nth, mode, False)
                if self.ready(process):
                    process.send_signal(signal.SIGUSR1)
                    process.send_signal(signal.SIGTERM)
                code = process.wait(LIMIT)
                self.assertIn(code, range(6), f"{mode} {nth} of {steps}: {code}")

    def test_a_host_that_runs_out_of_memory_while_it_serves_goes_on(self):
        for mode in ("one", "from_then"):
            for nth in range(1, 60, 3):
                process = self.begin_failing(nth, mode, True)
                self.assertTrue(self.ready(process))
                process.send_signal(signal.SIGUSR2)
                for arguments in (("ls",), ("status",), ("call", "echo.shout", '{"text": "hello"}'), ("call", "not.there"),
                                  ("events", "--count", "0")):
                    done = subprocess.run([EXE, *arguments], env=self.environment, cwd=self.dir, capture_output=True,
                                          timeout=LIMIT)
                    self.assertIn(done.returncode, range(6), f"{mode} {nth}: {arguments}")
                process.send_signal(signal.SIGUSR1)
                self.eventually(f"it serves again, {mode} {nth}: {process.poll()}", self.serves)
                self.bp("stop")
                self.assertEqual(process.wait(LIMIT), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
