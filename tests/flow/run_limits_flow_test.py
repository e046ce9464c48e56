# SPDX-License-Identifier: Apache-2.0
"""Modules whose handlers call each other without end, or wait in great numbers, beside an innocent client.

Before their depth was bounded, two such modules took 8.7 GB in 25 seconds.
"""

import json
import os
import pathlib
import threading
import unittest

from harness import Case, LIMIT
from raw_client import RawClient, encode

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
MODULES = pathlib.Path(os.environ["BACKPLANE_FLOW_MODULES"])
MEMORY = 256 << 20  # bytes of the host; 64 calls of depth 64 need a fraction of it
if "ASAN_OPTIONS" in os.environ:
    MEMORY += 256 << 20  # memory that was freed and is kept, so that its use is found


def peak(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")


class RunLimitsFlow(Case):
    def begin(self, config=""):
        self.process = self.host("--config", self.write("host.toml", config),
                                 modules=(MODULES / "ping.so", MODULES / "pong.so", PLUGINS / "echo.so",
                                          PLUGINS / "timer.so"))

    def bench(self, *arguments, code=0):
        """Calls for two seconds; returns the report."""
        return json.loads(self.bp("bench", *arguments, "--seconds", "2", "--json", code=code)[0])

    def in_flight(self, name):
        return sum(each["in_flight"] for each in self.bp_json("status")["names"] if each["name"] == name)

    def beside_an_innocent_client(self, *greedy):
        """Lets a greedy client and an innocent one call; returns the greedy one's report."""
        innocent = {}

        def be_innocent():
            innocent.update(self.bench("echo.raw", "--payload", "hi", "--raw"))

        other = threading.Thread(target=be_innocent)
        other.start()
        report = self.bench(*greedy, code=1)
        other.join(LIMIT)
        self.assertGreater(innocent.get("calls", 0), 100)
        self.assertEqual(innocent["errors"], 0)
        self.assertEqual(innocent["open"], 0)
        return report

    def test_mutual_recursion_ends_at_call_depth_and_costs_nobody_else(self):
        self.begin()
        err = self.refused(1, "call", "ping.call")
        self.assertIn("overloaded: the call is 65 deep; at most 64 (call_depth): ping.call -> pong.call -> ping.call -> "
                      "... (61 more) -> ping.call", err)
        report = self.beside_an_innocent_client("ping.call", "-P", "64")
        self.assertEqual(report["errors"], report["calls"])
        self.assertGreater(report["calls"], 10)
        self.assertLess(peak(self.process.pid), MEMORY)
        context = self.context()
        self.assertEqual(context["call_depth"], {"limit": 64, "refused": report["calls"] + 1})
        self.assertEqual(context["suspended"]["now"], 0)
        self.assertIn(f"{report['calls'] + 1} calls refused because of their depth: call_depth 64", self.bp("status")[0])

    def test_the_configuration_file_sets_the_depth(self):
        self.begin("call_depth = 2\n")
        self.assertIn("the call is 3 deep; at most 2 (call_depth): ping.call -> pong.call -> ping.call",
                      self.refused(1, "call", "ping.call"))

    def test_a_name_whose_handlers_all_wait_is_refused_and_others_are_served(self):
        self.begin("suspended_limit = 1000\nsuspended_per_name = 50\n")
        self.assertEqual(self.context()["suspended"], {"now": 0, "limit": 1000, "limit_per_name": 50, "refused": 0})
        waiting = RawClient(self.socket)  # its timers take all places of their name
        for number in range(1, 51):
            waiting.call(number, "timer.echo", encode({"message": "x", "delay_ms": 60_000}))
        self.eventually("50 handlers wait", lambda: self.context()["suspended"]["now"] == 50)
        report = self.beside_an_innocent_client("timer.echo", "--payload", '{"message": "x", "delay_ms": 0}', "-P", "8")
        self.assertEqual(report["errors"], report["calls"])
        self.assertIn('"timer.echo" has 50 suspended handlers, its limit (suspended_per_name)',
                      self.refused(1, "call", "timer.echo", '{"message": "x", "delay_ms": 0}'))
        self.assertEqual(self.context()["suspended"]["refused"], report["calls"] + 1)
        self.assertRegex(self.bp("status")[0], r"calls refused because of suspended handlers: suspended_limit 1000")
        waiting.close()
        self.eventually("the waits of a client that is gone end", lambda: self.context()["suspended"]["now"] == 0)
        self.bp("call", "timer.echo", '{"message": "x", "delay_ms": 0}')

    def test_a_name_that_does_not_answer_is_refused_for_all_connections_and_others_are_served(self):
        self.begin("calls_per_name = 50\n")
        waiting = [RawClient(self.socket) for _ in range(2)]
        for client in waiting:
            for number in range(1, 26):
                client.call(number, "timer.echo", encode({"message": "x", "delay_ms": 60_000}))
        # "running" has calls that have not begun as well; these do not count yet.
        self.eventually("50 calls are in flight", lambda: self.in_flight("timer.echo") == 50)
        report = self.beside_an_innocent_client("timer.echo", "--payload", '{"message": "x", "delay_ms": 0}', "-P", "8")
        self.assertEqual(report["errors"], report["calls"])
        self.assertIn('overloaded: calls in flight of "timer.echo": 50 (calls_per_name); wait for answers',
                      self.refused(1, "call", "timer.echo", '{"message": "x", "delay_ms": 0}'))
        self.assertEqual(self.context()["calls_per_name"], {"limit": 50, "refused": report["calls"] + 1})
        self.assertIn(f"context {self.context()['id']}: {report['calls'] + 1} calls refused because of the calls in "
                      "flight of their name: calls_per_name 50", self.bp("status")[0])
        for client in waiting:
            client.close()
        self.eventually("the calls of clients that are gone end", lambda: self.context()["running"] == 0)
        self.bp("call", "timer.echo", '{"message": "x", "delay_ms": 0}')


if __name__ == "__main__":
    unittest.main(verbosity=2)
