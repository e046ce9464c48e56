# SPDX-License-Identifier: Apache-2.0
"""The limits of the configuration file: each holds, is named when it is hit, and shows in the status."""

import json
import os
import pathlib
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import Case
from raw_client import LISTEN, RawClient, encode

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
STREAMS = os.environ["BACKPLANE_STREAMS_MODULE"]


class LimitsFlow(Case):
    def begin(self, config):
        self.process = self.host("--config", self.write("host.toml", config),
                                 modules=(STREAMS, PLUGINS / "echo.so", PLUGINS / "timer.so"))

    def client(self):
        client = RawClient(self.socket)
        self.addCleanup(client.close)
        return client

    def server(self):
        return self.bp_json("status")["server"]

    def limit(self, key):
        return {each["key"]: (each["limit"], each["hits"]) for each in self.server()["limits"]}[key]

    def shows_hit(self, key, limit, hits=1):
        self.assertEqual(self.limit(key), (limit, hits))
        self.assertRegex(self.bp("status")[0], rf"(?m)^LIMIT HIT +VALUE +TIMES *\n(.+\n)*{key} +{limit} +{hits}")

    def can_connect(self):
        try:
            RawClient(self.socket).close()
            return True
        except (AssertionError, OSError):
            return False

    def test_nothing_is_shown_of_limits_that_were_not_hit(self):
        self.begin("")
        self.bp("call", "echo.shout", '{"text": "hello"}')
        self.assertTrue(all(each["hits"] == 0 for each in self.server()["limits"]))
        out = self.bp("status")[0]
        self.assertRegex(out, r"(?m)^connections +1 of 1024, peak \d+; 0 calls in flight with 0 KiB$")
        for text in ("LIMIT HIT", "parts:", "refused because", "held"):
            self.assertNotIn(text, out)

    def test_a_connection_beyond_max_connections_is_counted(self):
        self.begin("max_connections = 2\n")
        kept = RawClient(self.socket)
        other = RawClient(self.socket)
        self.bp("ls")
        self.assertIn("its limit (max_connections)", self.refused(1, "call", "echo.version"))
        other.close()
        self.eventually("there is room again", self.can_connect)
        limit, hits = self.limit("max_connections")
        self.assertEqual(limit, 2)
        self.assertGreaterEqual(hits, 1)
        kept.close()

    def test_calls_and_bytes_beyond_the_limits_of_connections_are_counted(self):
        wait = encode({"message": "x" * 6000, "delay_ms": 60_000})
        for key, value, calls in (("calls_per_connection", 3, 3), ("calls_of_connections", 3, 3),
                                  ("bytes_per_connection", 10_000, 1), ("bytes_of_connections", 10_000, 1)):
            with self.subTest(key):
                other = "calls_per_connection = 3\n" if key == "calls_of_connections" else ""
                other += "bytes_per_connection = 10000\n" if key == "bytes_of_connections" else ""
                self.begin(f"{key} = {value}\n{other}")
                clients = [RawClient(self.socket), RawClient(self.socket)]
                for number in range(1, calls + 1):
                    clients[0].call(number, "timer.echo", wait)
                self.eventually("the calls are open", lambda: self.server()["calls"] == calls)
                self.assertEqual(self.server()["bytes"], calls * len(wait))
                # The peak may have counted one that had just gone.
                self.assertRegex(self.bp("status")[0], rf"(?m)^connections +3 of 1024, peak [34]; {calls} calls in flight with ")
                refused = clients[0 if "per" in key else 1]
                refused.call(100, "timer.echo", wait)
                self.assertIn(f"{value} ({key}); wait for answers", refused.read()[4])
                self.shows_hit(key, value)
                for client in clients:
                    client.close()
                self.bp("stop")
                self.process.end()

    def test_a_connection_that_reads_nothing_is_held_and_ended_and_both_are_counted(self):
        self.begin("stalled_client_ms = 3000\npart_output_bytes = 65536\n")
        client = self.client()
        client.call(1, "streams.send", encode({"parts": 5000, "size": 10_000, "wait_ms": 0}))
        self.eventually("it is held", lambda: self.context()["sources"]["held"] == 1)
        self.assertEqual(self.context()["sources"]["open"], 2)
        self.assertRegex(self.bp("status")[0], r"(?m)^connections .*; 1 held, because output waits")
        self.assertRegex(self.bp("status")[0], r"(?m)^context \d+: parts: [1-9]\d* sent, 0 received, \d+ found no room$")
        self.eventually("it is ended", lambda: self.limit("stalled_client_ms")[1] == 1)
        self.shows_hit("stalled_client_ms", 3000)
        self.shows_hit("part_output_bytes", 65_536)
        self.eventually("it is gone", lambda: self.context()["sources"] == {"open": 1, "held": 0})
        client.close()

    def test_output_that_nobody_reads_pauses_the_reading_and_then_ends_the_connection(self):
        self.begin("output_bytes = 65536\nanswer_output_bytes = 1000000\n")
        pausing = RawClient(self.socket)
        with ThreadPoolExecutor(1) as sender:  # a host that reads no more takes what it has not read yet only later
            sent = sender.submit(lambda: [pausing.call(number, "echo.raw", b"x" * 200_000) for number in range(1, 5)])
            self.eventually("it is read no more", lambda: self.limit("output_bytes")[1] >= 1)
            self.assertEqual([pausing.read()[2] for _ in range(4)], [0] * 4)
            sent.result()
        pausing.close()
        ending = RawClient(self.socket)
        for number in range(1, 9):  # the host has them all before it answers the first
            ending.call(number, "timer.echo", encode({"message": "x" * 200_000, "delay_ms": 3000}))
        self.eventually("it is ended", lambda: self.limit("answer_output_bytes")[1] == 1)
        self.shows_hit("answer_output_bytes", 1_000_000)
        self.process.wait_err("it does not read its answers")
        ending.close()

    def test_memory_beyond_connection_memory_is_counted(self):
        self.begin("connection_memory = 1048576\nframe_bytes = 524288\nbytes_per_connection = 200000\n")
        client = self.client()
        client.call(1, "timer.echo", encode({"message": "x" * 524_100, "delay_ms": 60_000}))
        self.eventually("it is open", lambda: self.server()["calls"] == 1)
        body = encode([2, 2, "echo.raw", b"x" * 524_240, 0, 0])
        client.socket.sendall(len(body).to_bytes(4, "big") + body[:-1])
        self.assertIn("1048576 bytes (connection_memory)", client.read()[2])
        self.assertIsNone(client.read())
        self.shows_hit("connection_memory", 1_048_576)

    def test_a_call_that_the_default_deadline_ends_is_told_the_key_and_its_value(self):
        self.begin("default_deadline_ms = 200\n")
        wait = '{"message": "x", "delay_ms": 60000}'
        told = "no answer within 200 ms (default_deadline_ms); a call may set its own timeout"
        self.assertIn(told, self.refused(4, "call", "timer.echo", wait))
        self.shows_hit("default_deadline_ms", 200)
        self.assertNotIn("default_deadline_ms", self.refused(4, "call", "timer.echo", wait, "--timeout", "100"))
        self.shows_hit("default_deadline_ms", 200)

    def test_a_listener_beyond_listeners_per_connection_is_refused(self):
        self.begin("listeners_per_connection = 2\n")
        client = self.client()
        for number in (1, 2, 3):
            client.send([LISTEN, number, number, "a.b"])
        replies = [client.read() for _ in range(3)]
        self.assertEqual([reply[2] for reply in replies[:2]], [0, 0])
        self.assertEqual(replies[2][4],
                         "this connection has 2 listeners, its limit (listeners_per_connection); remove some")
        self.shows_hit("listeners_per_connection", 2)

    def test_functions_and_calls_of_them_beyond_the_limits_of_a_connection_are_refused(self):
        self.begin("functions_per_connection = 1\nasks_per_connection = 1\n")
        self.bp("load", str(PLUGINS / "session.so"))
        client = self.client()
        client.send([25, 1, 0, "profile.fetch"])
        self.assertEqual(client.read()[2], 0)
        client.send([25, 2, 0, "app.more"])
        refused = client.read()
        self.assertEqual((refused[2], refused[4]), (21, "this connection provides 1 host functions, its limit "
                                                        "(functions_per_connection); withdraw some"))
        client.call(3, "session.login", encode({"user_id": "a"}))
        self.assertEqual(client.read()[0], 27)
        client.call(4, "session.login", encode({"user_id": "b"}))
        refused = client.read()
        self.assertEqual(refused[1:3], [4, 21])
        self.assertIn("(asks_per_connection)", refused[4])
        self.shows_hit("functions_per_connection", 1)
        self.shows_hit("asks_per_connection", 1)

    def test_a_pattern_beyond_listener_patterns_is_refused(self):
        self.begin("listener_patterns = 2\n")
        client = self.client()
        for number, pattern in enumerate(("a.b", "a.c", "a.b", "a.d"), start=1):
            client.send([LISTEN, number, number, pattern])
        self.assertEqual([client.read()[2] == 0 for _ in range(4)], [True, True, True, False])
        self.assertEqual(self.context()["listener_patterns"], {"limit": 2, "refused": 1})
        self.assertIn("1 listeners refused because of their patterns: listener_patterns 2", self.bp("status")[0])

    def test_a_frame_beyond_frame_bytes_ends_its_connection(self):
        self.begin("frame_bytes = 8192\n")
        client = self.client()
        client.call(1, "echo.raw", b"x" * 8000)
        self.assertEqual(client.read()[2], 0)
        client.call(2, "echo.raw", b"x" * 9000)
        self.assertIn("expected at most 8192", client.read()[2])
        self.assertIsNone(client.read())
        self.shows_hit("frame_bytes", 8192)

    def test_requests_in_parts_keep_to_the_window_that_the_host_names(self):
        self.begin("request_window_parts = 3\nrequest_window_bytes = 4096\n")
        parts = "".join(json.dumps({"number": n, "data": "x" * 500}) + "\n" for n in range(1, 201)).encode()
        order = json.dumps({"parts": 0, "size": 0, "wait_ms": 0})
        report = json.loads(self.bp("call", "streams.sum", order, "--parts", "-", "--json", stdin=parts)[0])
        self.assertEqual(report["parts"], 201)


if __name__ == "__main__":
    unittest.main(verbosity=2)
