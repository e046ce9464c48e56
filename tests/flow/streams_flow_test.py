# SPDX-License-Identifier: Apache-2.0
"""Streams whose reader stops, and clients with more calls than anybody needs, beside one that wants little.

Before, a reader that stopped had its connection closed in the middle of a frame, and 20,000 calls of a millisecond
made another client wait for 17 seconds.
"""

import json
import os
import pathlib
import signal
import threading
import time
import unittest

from harness import Case

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
STREAMS = os.environ["BACKPLANE_STREAMS_MODULE"]
MIB = 1 << 20
SANITIZED = os.environ["BACKPLANE_SANITIZED"] == "1"  # then the process has other memory than these tests bound


def memory(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"no {field}")


class StreamsFlow(Case):
    def setUp(self):
        super().setUp()
        self.process = self.host(modules=(STREAMS, PLUGINS / "echo.so"))

    def innocent(self, seconds=1):
        report = self.bp_json("bench", "echo.raw", "--payload", "hi", "--raw", "--seconds", str(seconds))
        self.assertEqual(report["errors"], 0, report)
        return report["calls"]

    def parts(self):
        return self.context()["parts"]

    def test_a_reader_that_stops_in_mid_stream_stops_its_own_call_alone_and_gets_all_in_the_end(self):
        order = json.dumps({"parts": 2000, "size": 100_000, "wait_ms": 0})
        reader = self.spawn("call", "streams.send", order, "--json")
        self.eventually("some parts are sent", lambda: self.parts()["sent"] > 0)
        reader.freeze()
        self.assertGreater(self.innocent(), 10 if SANITIZED else 100)
        sent = self.parts()["sent"]
        self.assertGreater(self.innocent(), 10 if SANITIZED else 100)
        self.assertEqual(self.parts()["sent"], sent, "it goes on although nobody reads")
        if not SANITIZED:
            self.assertLess(memory(self.process.pid, "VmHWM"), 128 * MIB)
        reader.signal(signal.SIGCONT)
        lines = size = 0
        for line in reader.popen.stdout:
            lines += 1
            size += len(line)
        self.assertEqual(lines, 2001)
        self.assertGreater(size, 200_000_000)
        self.assertEqual(json.loads(line), {"parts": 2000, "bytes": 200_000_000})
        self.assertEqual(self.parts()["sent"], 2000)

    def test_a_reader_that_dies_in_mid_stream_leaves_nothing(self):
        order = json.dumps({"parts": 100_000, "size": 100_000, "wait_ms": 0})
        reader = self.spawn("call", "streams.send", order, "--json")
        self.eventually("some parts are sent", lambda: self.parts()["sent"] > 0)
        reader.freeze()
        reader.signal(signal.SIGKILL)
        self.eventually("its call has ended", lambda: self.context()["running"] == 0)
        self.assertGreater(self.innocent(), 10 if SANITIZED else 100)

    def test_twenty_thousand_calls_delay_another_client_by_one(self):
        greedy = {}

        def be_greedy():
            greedy.update(self.bp_json("bench", "streams.spin", "--payload", '{"us": 1000}', "-P", "20000", "-c", "1",
                                       "--seconds", "4"))

        thread = threading.Thread(target=be_greedy)
        thread.start()
        self.eventually("its calls wait", lambda: self.context()["queued"] > 10_000)
        longest = rounds = 0
        while self.context()["queued"] > 10_000:
            rounds += 1
            begin = time.monotonic()
            self.bp("call", "streams.spin", '{"us": 0}')
            longest = max(longest, time.monotonic() - begin)
        thread.join()
        self.assertGreater(rounds, 1)
        self.assertLess(longest, 2, "a client waited for another's calls")
        self.assertEqual(greedy["errors"], 0, greedy)

    def test_a_client_with_sixty_thousand_suspended_calls_meets_its_limit(self):
        order = '{"parts": 0, "size": 0, "wait_ms": 3000}'
        greedy = self.spawn("bench", "streams.nap", "--payload", order, "-P", "60000", "-c", "1", "--seconds", "2")
        self.eventually("its calls are suspended", lambda: self.context()["running"] > 30_000)
        self.assertLessEqual(self.context()["running"], 32_768)
        self.assertGreater(self.innocent(), 10 if SANITIZED else 100)
        if not SANITIZED:
            self.assertLess(memory(self.process.pid, "VmHWM"), 512 * MIB)
        greedy.end()

    def test_a_request_of_any_size_goes_in_parts(self):
        source = self.path("rows.jsonl")
        with open(source, "w", encoding="utf-8") as out:
            for number in range(1, 1001):
                out.write(json.dumps({"number": number, "data": "r" * 100_000}) + "\n")
        order = '{"parts": 0, "size": 7, "wait_ms": 0}'
        self.assertEqual(self.bp_json("call", "streams.sum", order, "--parts", source),
                         {"parts": 1001, "bytes": 100_000_007})
        if not SANITIZED:
            self.assertLess(memory(self.process.pid, "VmHWM"), 64 * MIB)

    def test_a_bad_part_is_told_by_its_line_and_number(self):
        order = '{"parts": 0, "size": 0, "wait_ms": 0}'
        rows = '{"number": 1, "data": "a"}\n\n{"number": 2, "data": "b"}\n'
        err = self.refused(2, "call", "streams.sum", order, "--parts", self.write("rows.jsonl", rows + "{\n"))
        self.assertIn('rows.jsonl", line 4 (part 4): the line is not JSON', err)
        err = self.refused(1, "call", "streams.sum", order, "--parts", self.write("rows.jsonl", rows + "7\n"))
        self.assertIn("part 4 of the request: expected", err)

    def test_empty_partial_answers_make_room_as_well(self):
        self.bp("load", os.path.join(os.path.dirname(STREAMS), "partials.so"))
        self.assertEqual(self.bp("call", "partials.empties", "-", "--raw", "--timeout", "20000", stdin=b"3000")[0], "end")

    def test_stdin_is_either_the_payload_or_the_parts(self):
        err = self.refused(2, "call", "streams.sum", "-", "--parts", "-")
        self.assertIn("stdin can be only one of them", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
