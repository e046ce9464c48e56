# SPDX-License-Identifier: Apache-2.0
"""A host whose address space is limited, and a client whose calls are too large for it.

Before, one call of 60 MB ended such a host with SIGABRT.
"""

import os
import pathlib
import resource
import threading
import unittest

from harness import Case, LIMIT
from raw_client import ERROR, REPLY, RawClient

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
SPACE = 400_000_000
LARGE = bytes(60_000_000)
OK, OVERLOADED, OUT_OF_MEMORY = 0, 21, 40


class NoMemoryFlow(Case):
    def begin(self, space=SPACE):
        self.process = self.host(modules=(PLUGINS / "echo.so",))
        resource.prlimit(self.process.pid, resource.RLIMIT_AS, (space, space))

    def client(self):
        client = RawClient(self.socket)
        self.addCleanup(client.close)
        return client

    def ask_for_too_much(self, client, number=1):
        """Sends a call of 60 MB. Returns the status that answers it, or that ends the connection; None if only the end of
        the stream says it."""
        try:
            client.call(number, "echo.raw", LARGE)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may be refused before all of it is sent
        frame = client.read()
        if frame is None:
            return None
        self.assertIn(frame[0], (REPLY, ERROR))
        if frame[0] == ERROR:
            self.assertIsNone(client.read())
            return frame[1]
        self.assertEqual(frame[1], number)
        return frame[2]

    def assert_serves(self):
        client = self.client()
        client.call(7, "echo.raw", b"small")
        self.assertEqual(client.read()[:4], [REPLY, 7, OK, b"small"])
        self.assertEqual(self.bp("call", "echo.raw", '"again"')[0], '"again"\n')

    def end_host(self):
        self.bp("stop")
        self.assert_ends(self.process, 0)

    def test_a_call_that_is_too_large_for_the_host_ends_itself_and_not_the_host(self):
        self.begin()
        for _ in range(3):
            status = self.ask_for_too_much(self.client())
            self.assertIn(status, (OK, OVERLOADED, OUT_OF_MEMORY))
            self.assert_serves()
        self.end_host()

    def test_where_the_frame_itself_has_no_room_the_connection_ends_with_the_reason(self):
        self.begin()
        size = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(self.process.pid, resource.RLIMIT_AS, (size + 35_000_000, SPACE))
        self.assertEqual(self.ask_for_too_much(self.client()), OUT_OF_MEMORY)
        self.assert_serves()
        self.end_host()

    def test_calls_of_many_clients_that_are_too_large_cost_an_innocent_one_nothing(self):
        self.begin()
        innocent = self.client()
        statuses = []

        def be_greedy():
            statuses.append(self.ask_for_too_much(self.client()))

        greedy = [threading.Thread(target=be_greedy) for _ in range(6)]
        for each in greedy:
            each.start()
        number = 0
        while any(each.is_alive() for each in greedy):
            number += 1
            innocent.call(number, "echo.raw", b"hi")
            self.assertEqual(innocent.read()[:4], [REPLY, number, OK, b"hi"])
        for each in greedy:
            each.join(LIMIT)
        self.assertEqual(len(statuses), 6)
        self.assertLessEqual(set(statuses), {OK, OVERLOADED, OUT_OF_MEMORY, None})
        self.assertGreater(number, 0)
        self.assert_serves()
        self.end_host()


if __name__ == "__main__":
    unittest.main(verbosity=2)
