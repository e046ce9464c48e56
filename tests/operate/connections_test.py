# SPDX-License-Identifier: Apache-2.0
"""Connections beyond the limit: operators are served all the same, and nobody is locked out by those who say nothing."""

import time
import unittest

from harness import Case, PLUGINS
from raw_client import CALL, ERROR, LISTEN, REPLY, RESOLVE, STATUS, UNLOAD, RawClient, encode
from soon import SLOW, SoonCase

OVERLOADED = 21


class Many(SoonCase):
    def test_1024_idle_connections_do_not_lock_operators_out(self):
        process = self.limited()
        clients = self.greeted(1024)
        self.eventually("all are in", lambda: self.counts()["without_hello"] == 0)
        self.asks()
        report = self.bp_json("status")["server"]
        self.assertEqual(report["connections"], 1025)
        self.assertEqual(report["connection_counts"]["management"], 1)
        self.assertRegex(self.soon("status")[0],
                         r"(?m)^connections +1025 of 1024, peak 102\d, 1 for management; 0 calls")
        error = self.refused(1, "call", "echo.version", "{}")
        self.assertIn("this host already serves 1024 connections, its limit (max_connections)", error)
        self.assertEqual(sum(map(self.is_closed, clients)), 0)
        self.soon("stop")
        self.assertEqual(process.end()[0], 0)

    def test_1024_half_open_connections_lock_nobody_out(self):
        process = self.limited()
        clients = self.half_open(1024)
        self.eventually("all are in", lambda: self.counts()["without_hello"] >= 1023)
        begin = time.monotonic()
        self.asks()
        self.soon("call", "echo.version", "{}")
        if not SLOW:
            self.assertLess(time.monotonic() - begin, 8, "before the host gives up on those that say nothing")
            counts = self.counts()
            self.assertGreaterEqual(counts["replaced"], 1)
            self.assertEqual(counts["management"], 0)
        self.assertTrue(self.is_closed(clients[0]), "the oldest goes first")
        self.assertFalse(self.is_closed(clients[-1]))
        self.soon("stop")
        self.assertEqual(process.end()[0], 0)

    def test_a_connection_whose_hello_has_come_is_not_taken_for_one_that_says_nothing(self):
        self.limited("--config", self.write("host.toml", "max_connections = 4\n"))
        for _ in range(50):
            clients = self.greeted(4)
            more = self.half_open(8)
            status = RawClient(self.socket)
            self.assertEqual(sum(map(self.is_closed, clients)), 0)
            for client in clients + more:
                client.close()
            status.close()
            self.eventually("they are gone", lambda: self.bp_json("status")["server"]["connections"] == 1)


class Management(Case):
    def begin(self, more=""):
        self.process = self.host("--config", self.write("host.toml", "max_connections = 2\n" + more),
                                 modules=(PLUGINS / "echo.so", PLUGINS / "timer.so"))
        self.kept = [RawClient(self.socket) for _ in range(2)]
        for client in self.kept:
            self.addCleanup(client.close)

    def test_beyond_the_limit_a_connection_manages_and_does_nothing_else(self):
        self.begin()
        client = RawClient(self.socket)
        self.addCleanup(client.close)
        client.send([CALL, 1, "echo.version", b"\xa0", 0, 0])
        client.send([RESOLVE, 2, "echo.version"])
        client.send([LISTEN, 3, 1, "*"])
        for number in (1, 2, 3):
            reply = client.read()
            self.assertEqual(reply[:3], [REPLY, number, OVERLOADED])
            self.assertEqual(reply[4], "this host already serves 2 connections, its limit (max_connections); this "
                                       "connection is for management alone: close others, and connect again")
        client.send([STATUS, 4])
        self.assertEqual(client.read()[:3], [REPLY, 4, 0])
        self.bp("unload", "timer")
        self.bp("load", str(PLUGINS / "timer.so"))
        self.bp("reload", "echo")
        self.bp("log", "debug")
        self.kept[0].call(9, "echo.raw", b"x")
        self.assertEqual(self.kept[0].read()[3], b"x")
        self.bp("stop")
        self.assertEqual(self.process.end()[0], 0)

    def test_it_is_closed_when_it_is_idle_and_stays_while_it_asks(self):
        self.begin("management_idle_ms = 300\n")
        idle, busy = RawClient(self.socket), RawClient(self.socket)
        self.addCleanup(idle.close)
        begin = time.monotonic()
        number = 0
        while time.monotonic() - begin < 1:
            number += 1
            busy.send([STATUS, number])
            self.assertEqual(busy.read()[:3], [REPLY, number, 0])
            time.sleep(0.05)
        frame = idle.read()
        self.assertEqual(frame[0], ERROR)
        self.assertIn("has made no request for 300 ms (management_idle_ms)", frame[2])
        self.assertIsNone(idle.read())
        busy.close()
        self.kept[0].call(1, "echo.raw", b"x")
        self.assertEqual(self.kept[0].read()[3], b"x")

    def test_calls_do_not_keep_it(self):
        self.begin("management_idle_ms = 300\n")
        client = RawClient(self.socket)
        self.addCleanup(client.close)
        begin = time.monotonic()
        frame = [REPLY]
        while frame is not None and frame[0] == REPLY and time.monotonic() - begin < 20:
            try:
                client.send([CALL, int((time.monotonic() - begin) * 1e6) + 1, "echo.version", b"\xa0", 0, 0])
            except BrokenPipeError:
                pass
            frame = client.read()
            time.sleep(0.02)
        self.assertEqual(frame[0], ERROR)

    def test_idle_ones_for_management_make_room_for_more(self):
        self.begin("management_connections = 3\n")
        managing = [RawClient(self.socket) for _ in range(3)]
        time.sleep(0.1)
        self.bp("status")
        frame = managing[0].read()
        self.assertEqual(frame[0], ERROR)
        self.assertIn("it is for management alone and idle, and another connection needs its place", frame[2])
        self.assertGreaterEqual(self.counts()["replaced"], 1)
        for client in managing:
            client.close()

    def test_those_for_management_are_bounded_too_and_counted(self):
        self.begin("management_connections = 3\n")
        self.kept[0].call(1, "timer.echo", encode({"message": "x", "delay_ms": 60_000}))
        managing = [RawClient(self.socket) for _ in range(3)]
        for client in managing:  # each waits for an answer, so none is closed in favour of the command
            client.send([UNLOAD, 1, "timer", 60_000])
        error = self.refused(3, "status")
        self.assertIn("this host already serves 2 connections, its limit (max_connections), and 3 more for management "
                      "(management_connections); close some", error)
        self.kept[1].close()
        self.kept[0].close()
        self.eventually("there is room again", lambda: self.counts()["management"] <= 3)
        report = self.bp_json("status")["server"]
        self.assertGreaterEqual(report["connection_counts"]["refused"], 1)
        limits = {each["key"]: each["hits"] for each in report["limits"]}
        self.assertGreaterEqual(limits["management_connections"], 1)
        self.assertGreaterEqual(limits["max_connections"], 4)
        for client in managing:
            client.close()

    def counts(self):
        try:
            return self.bp_json("status")["server"]["connection_counts"]
        except AssertionError:
            return {"management": 0}


if __name__ == "__main__":
    unittest.main(verbosity=2)
