# SPDX-License-Identifier: Apache-2.0
"""Listeners that are quick, slow and dead, beside clients whose calls emit events.

Before events were a log, one `backplane events` made a fifth of these calls fail.
"""

import json
import os
import pathlib
import threading
import time
import unittest

from harness import Case, LIMIT, memory_of

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
PAYLOAD = '{"message": "' + "x" * 400 + '", "delay_ms": 0}'
SANITIZED = os.environ["BACKPLANE_SANITIZED"] == "1"  # then the process has other memory than these tests bound
MEMORY = 256 << 20  # bytes; of the host, far above what three connections may hold


class Reader:
    """Reads the lines of `backplane events --json`, with a pause after each if it is slow. Counts events and losses."""

    def __init__(self, process, pause):
        self.process = process
        self.pause = pause
        self.seen = 0
        self.lost = 0
        self.gaps = 0
        self.wrong = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for line in self.process.popen.stdout:
            event = json.loads(line)
            if event["event"] == "backplane.gap":
                self.gaps += 1
                self.lost += event["payload"]["lost"]
            elif event["event"] == "timer.echo_fired":
                self.seen += 1
            else:
                self.wrong.append(event)
            time.sleep(self.pause)


class EventsFlow(Case):
    def setUp(self):
        super().setUp()
        self.process = self.host(modules=(PLUGINS / "timer.so", PLUGINS / "echo.so"))

    def listen(self):
        process = self.spawn("events", "timer.*", "--json")
        process.wait_err("listening to")
        return process

    def of(self, process):
        """What the status says of the process's listener."""
        label = f"process {process.pid}"
        found = [each for each in self.context()["events"]["listeners"]
                 if each["label"] == label and each["pattern"] == "timer.*"]
        self.assertEqual(len(found), 1)
        return found[0]

    def bench(self, name, *arguments):
        """Calls for two seconds; no answer may be an error. Returns the number of calls."""
        report = self.bp_json("bench", name, "--seconds", "2", *arguments)
        self.assertEqual(report["errors"], 0, report)
        return report["calls"]

    def test_no_call_fails_whatever_the_listeners_do_and_each_gets_or_is_told_all(self):
        quick, slow, dead = (self.listen() for _ in range(3))
        dead.freeze()
        readers = {quick: Reader(quick, 0), slow: Reader(slow, 0.005)}
        innocent = {}

        def be_innocent():
            innocent["calls"] = self.bench("echo.raw", "--payload", "hi", "--raw")

        other = threading.Thread(target=be_innocent)
        other.start()
        emitted = self.bench("timer.echo", "--payload", PAYLOAD, "-c", "2", "-P", "32")
        other.join()
        self.assertGreater(innocent.get("calls", 0), 100)
        self.assertGreater(emitted, 1_000)
        self.assertEqual(self.context()["events"]["refused"], 0)
        self.assertEqual(self.context()["refused"], 0)

        self.eventually("the event thread has caught up", lambda: self.context()["events"]["queued"] == 0)
        for process in (quick, slow, dead):
            listener = self.of(process)
            self.assertEqual(listener["delivered"] + listener["lost"] + listener["behind"], emitted, listener)
        if not SANITIZED:
            self.assertLess(memory_of(self.process.pid, "VmHWM:"), MEMORY)

        # The dead one comes back to life; the slow one hurries up.
        dead.signal(18)  # SIGCONT
        readers[dead] = Reader(dead, 0)
        readers[slow].pause = 0
        for process, reader in readers.items():
            self.eventually(f"{reader.seen} seen and {reader.lost} lost are {emitted}",
                            lambda: reader.seen + reader.lost >= emitted)
            self.assertEqual(reader.seen + reader.lost, emitted)
            self.assertEqual(reader.wrong, [])
            self.assertEqual(reader.lost > 0, reader.gaps > 0)
        _, _, err = self.end_host()
        self.assertNotIn("not_responding", err)
        self.assertLess(len(err), 10_000, "a log that grows with the events")

    def end_host(self):
        self.bp("stop")
        return self.process.end()

    def test_many_listeners_of_a_connection_that_ends_cost_the_others_no_time(self):
        # Adding and removing one must not cost more the more there are: 16 processes with 256 patterns each.
        patterns = [f"timer.pattern{i}*" for i in range(256)]
        listeners = [self.spawn("events", *patterns) for _ in range(16)]
        for process in listeners:
            process.wait_err("listening to")
        self.assertGreaterEqual(self.context()["listeners"], 16 * 256)
        for process in listeners:
            process.signal(9)
        longest = 0
        end = time.monotonic() + LIMIT
        while self.context()["listeners"] > 0:
            begin = time.monotonic()
            self.bp("call", "echo.raw", "--raw", "-", stdin=b"x")
            longest = max(longest, time.monotonic() - begin)
            self.assertLess(begin, end)
        self.assertLess(longest, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
