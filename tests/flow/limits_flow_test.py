# SPDX-License-Identifier: Apache-2.0
"""The limits of the configuration file: each holds, is named when it is hit, and shows in the status."""

import json
import os
import pathlib
import unittest

from harness import Case
from raw_client import LISTEN, RawClient

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
STREAMS = os.environ["BACKPLANE_STREAMS_MODULE"]


class LimitsFlow(Case):
    def begin(self, config):
        self.process = self.host("--config", self.write("host.toml", config),
                                 modules=(STREAMS, PLUGINS / "echo.so", PLUGINS / "timer.so"))

    def test_a_listener_beyond_listeners_per_connection_is_refused(self):
        self.begin("listeners_per_connection = 2\n")
        client = RawClient(self.socket)
        for number in (1, 2, 3):
            client.send([LISTEN, number, number, "a.b"])
        replies = [client.read() for _ in range(3)]
        self.assertEqual([reply[2] for reply in replies[:2]], [0, 0])
        self.assertEqual(replies[2][4],
                         "this connection has 2 listeners, its limit (listeners_per_connection); remove some")

    def test_a_pattern_beyond_listener_patterns_is_refused(self):
        self.begin("listener_patterns = 2\n")
        client = RawClient(self.socket)
        for number, pattern in enumerate(("a.b", "a.c", "a.b", "a.d"), start=1):
            client.send([LISTEN, number, number, pattern])
        self.assertEqual([client.read()[2] == 0 for _ in range(4)], [True, True, True, False])

    def test_a_frame_beyond_frame_bytes_ends_its_connection(self):
        self.begin("frame_bytes = 8192\n")
        client = RawClient(self.socket)
        client.call(1, "echo.raw", b"x" * 8000)
        self.assertEqual(client.read()[2], 0)
        client.call(2, "echo.raw", b"x" * 9000)
        self.assertIn("expected at most 8192", client.read()[2])
        self.assertIsNone(client.read())

    def test_requests_in_parts_keep_to_the_window_that_the_host_names(self):
        self.begin("request_window_parts = 3\nrequest_window_bytes = 4096\n")
        parts = "".join(json.dumps({"number": n, "data": "x" * 500}) + "\n" for n in range(200)).encode()
        order = json.dumps({"parts": 0, "size": 0, "wait_ms": 0}).encode() + b"\n"
        report = json.loads(self.bp("call", "streams.sum", "--parts", "-", "--json", stdin=order + parts)[0])
        self.assertEqual(report["parts"], 201)


if __name__ == "__main__":
    unittest.main(verbosity=2)
