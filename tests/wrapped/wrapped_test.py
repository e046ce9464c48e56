# SPDX-License-Identifier: Apache-2.0
"""wrapped_test.py MODULE: calls, reloads, unloads, cancels and ends the module around one library, as table.py expects.

$WRAPPED_CYCLES and $WRAPPED_RELOADS: how often; by default as the table says, and 20."""

import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

from client import CANCELED, LOAD_REFUSED, MODULE_GONE, OK, UNKNOWN_NAME, Callers
from table import TABLE
from wrapped_case import WrappedCase

CALLERS = 8
RELOADS = int(os.environ.get("WRAPPED_RELOADS", 20))
SPARE = 8  # threads and descriptors: another worker of the host, and what the library starts for it
SOON = 5  # seconds within which a canceled handler has returned, on a busy machine
NAME = sys.argv.pop(1)
ROW = TABLE[NAME]
CYCLES = int(os.environ.get("WRAPPED_CYCLES", ROW.cycles))


class Wrapped(WrappedCase):
    def setUp(self):
        super().setUp()
        self.file(NAME)
        self.asked = self.cases(NAME)

    def reload(self, client):
        status, message, old = client.reload(NAME)
        if ROW.second:
            self.assertEqual(status, LOAD_REFUSED, message)
            self.assertRegex(message, ROW.second)
        else:
            self.assertEqual(status, OK, message)
            self.assert_ended(NAME, old)

    def callers(self, calls, also=()):
        callers = Callers(self.socket, calls, CALLERS, also)
        self.addCleanup(callers.ends.set)
        return callers

    def test_answers_are_right(self):
        client = self.start(NAME)
        for call in self.asked.small + self.asked.large() + self.asked.small:
            client.check(call)
        self.unload(client, NAME)
        self.stop()

    def test_deep_recursion_finds_its_stack(self):
        client = self.start(NAME)
        for call in self.asked.deep:
            client.check(call)
        self.unload(client, NAME)
        self.stop()

    def test_reloads_under_load(self):
        client = self.start(NAME)
        callers = self.callers(self.asked.small)
        for _ in range(RELOADS):
            callers.go_on()
            self.reload(client)
        callers.stop()
        self.unload(client, NAME)
        self.stop()

    def test_it_goes_and_comes_under_load(self):
        client = self.start(NAME)
        callers = self.callers(self.asked.small, (UNKNOWN_NAME, MODULE_GONE))
        for _ in range(1 if ROW.second else RELOADS):
            callers.go_on()
            self.unload(client, NAME)
            if not ROW.second:
                client.load(self.file(NAME))
        callers.stop()
        self.stop()

    def test_a_long_call_is_canceled(self):
        client = self.start(NAME)
        for _ in range(3):
            numbers = [client.begin(*self.asked.endless) for _ in range(2)]
            client.check(self.asked.small[0])
            for number in numbers:
                client.cancel(number)
            for number in numbers:
                self.assertEqual(client.wait(number)[0], CANCELED)
        begin = time.monotonic()
        self.unload(client, NAME)  # which waits until the handlers have returned
        self.assertLess(time.monotonic() - begin, SOON)
        self.stop()

    def test_it_is_loaded_and_unloaded_again_and_again(self):
        # Otherwise a thread that comes late to its first allocation adds an arena, of more than a MiB, to the growth.
        self.environment["MALLOC_ARENA_MAX"] = "1"
        client = self.start()
        if ROW.second:
            self.one_generation(client)
            return
        held = []
        for i in range(CYCLES):
            client.load(self.file(NAME))
            if i % 10 == 0:  # from the first on, with as many threads as there will be
                callers = self.callers(self.asked.small)
                callers.go_on()
                callers.stop()
            for call in self.asked.small[:3]:
                client.check(call)
            self.unload(client, NAME)
            held.append(self.holds())
        # What is left of the libraries must bear a signal that wakes all threads.
        self.process.freeze()
        self.process.signal(signal.SIGCONT)
        self.bp("ping")
        self.stop()
        # In the first cycles, new connections and the reports of operations still fill their places. So growth is taken
        # from the second half, by the rate that the row allows for the last four fifths.
        settled, last = held[:max(CYCLES // 2, 1)], held[-1]
        if os.environ.get("WRAPPED_SHOW"):
            print(f"{NAME}: {held[0]} first, then {held[9::len(held) // 10]}", file=sys.stderr)
        # What leaks at a load or an unload does so in each cycle. The cycles with many callers are apart: on a busy machine
        # more of them run at once than before, and a library may keep something for each.
        memory = [each[0] for each in held]
        steps = [memory[i] - memory[i - 1] for i in range(len(settled), CYCLES) if i % 10 != 0]
        bound = ROW.growth_kib * 5 // 8
        self.assertLess(sum(steps), bound, f"KiB of memory: {memory}")
        self.assertLess(memory[-1] - memory[len(settled) - 1], 2 * bound, f"KiB of memory: {memory}")
        for what, place in (("threads", 1), ("descriptors", 2)):
            counts = [each[place] for each in held]
            self.assertLessEqual(last[place], max(each[place] for each in settled) + SPARE, f"{what}: {counts}")

    def one_generation(self, client):
        client.load(self.file(NAME))
        client.check(self.asked.small[0])
        self.unload(client, NAME)
        with self.assertRaisesRegex(AssertionError, f"status {LOAD_REFUSED}.*{ROW.second}"):
            client.load(self.file(NAME))
        self.bp("ping")
        self.stop()

    def test_the_host_ends_in_every_state_of_it(self):
        orders = ("", "call", "call unload", "call cancel", "cancel unload", "unload", "unload load", "call reload",
                  "call unload load call unload")
        for order in orders:
            if ROW.second and ("load" in order.split() or "reload" in order):
                continue
            with self.subTest(order):
                client = self.start(NAME)
                try:
                    for step in order.split():
                        self.step(client, step)
                    self.stop()
                finally:
                    self.process.stop()

    def step(self, client, step):
        if step == "call":
            for call in self.asked.small:
                client.check(call)
        elif step == "cancel":
            client.cancel(client.begin(*self.asked.endless))
        elif step == "unload":
            self.unload(client, NAME)
        elif step == "load":
            client.load(self.file(NAME))
        else:
            self.reload(client)

    def test_an_application_ends_in_every_state_of_it(self):
        program = pathlib.Path(__file__).with_name("embedded.py")
        orders = ("exit", "destroy", "unload destroy", "destroy unload", "unload", "threads unload destroy",
                  "contexts destroy unload")
        for order in orders:
            with self.subTest(order):
                done = subprocess.run([sys.executable, "-B", program, NAME, self.file(NAME), self.dir, *order.split()],
                                      env={**os.environ, "TMPDIR": self.dir}, capture_output=True, text=True,
                                      check=False, timeout=60)
                self.assertEqual((done.returncode, done.stdout), (0, "done\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
