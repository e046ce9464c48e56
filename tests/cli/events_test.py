# SPDX-License-Identifier: Apache-2.0
"""Following events in a second process."""

import array
import fcntl
import json
import signal
import termios
import unittest

from harness import Case


class Events(Case):
    def setUp(self):
        super().setUp()
        self.host_process = self.host()

    def follow(self, *arguments):
        process = self.spawn("events", *arguments)
        process.wait_err("listening to")
        return process

    def test_each_event_is_one_line_of_json(self):
        events = self.follow("cli_fixture.*", "--json")
        self.bp("call", "cli_fixture.say", '{"n": 1}')
        lines = [json.loads(events.wait_out(name)) for name in ("cli_fixture.said", "cli_fixture.blurted")]
        self.assertEqual(lines, [{"event": "cli_fixture.said", "payload": {"n": 1}},
                                 {"event": "cli_fixture.blurted", "payload": {"n": 1}}])

    def test_people_get_time_name_and_payload(self):
        events = self.follow()
        self.bp("call", "cli_fixture.say", '"hello"')
        self.assertRegex(events.wait_out("cli_fixture.said"), r'^\d\d:\d\d:\d\d\.\d\d\d  cli_fixture\.said  "hello"$')

    def test_an_event_that_is_no_cbor_is_shown_in_base64(self):
        events = self.follow("cli_fixture.blurted", "--json")
        self.bp("call", "cli_fixture.say", '{"$raw": "/wA="}', "--json")
        self.assertEqual(json.loads(events.wait_out("cli_fixture.blurted"))["payload"], {"$raw": "/wA="})

    def test_count_ends_it_and_the_pattern_chooses(self):
        events = self.follow("cli_fixture.said", "--count", "2", "--json")
        for n in range(3):
            self.bp("call", "cli_fixture.say", str(n))
        out, _ = self.assert_ends(events, 0)
        self.assertEqual([json.loads(line)["payload"] for line in out.splitlines()], [0, 1])

    def test_ctrl_c_and_sigterm_end_it_with_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            events = self.follow()
            events.signal(number)
            self.assert_ends(events, 0)

    def test_it_ends_when_its_reader_has_left_though_nothing_happens(self):
        events = self.follow()
        events.popen.stdout.close()
        self.assertEqual(events.popen.wait(60), 0)

    def test_a_host_that_stops_ends_it_with_3(self):
        events = self.follow()
        self.bp("stop")
        _, err = self.assert_ends(events, 3)
        self.assertIn("has ended or closed the connection", err)

    def test_output_that_nobody_reads_holds_no_call_and_is_told_as_a_gap(self):
        events = self.follow("cli_fixture.*", "--json")
        payload = json.dumps("x" * 400_000).encode()
        for _ in range(250):
            self.bp("call", "cli_fixture.say", "-", stdin=payload)
        listeners = self.bp_json("status")["contexts"][0]["events"]["listeners"]
        mine = [each for each in listeners if each["pattern"] == "cli_fixture.*"]
        self.assertEqual(len(mine), 1)
        self.assertEqual(mine[0]["label"], f"process {events.popen.pid}")
        self.assertEqual(mine[0]["delivered"] + mine[0]["behind"] + mine[0]["lost"], 500)
        seen = lost = 0
        while seen + lost < 500:
            line = json.loads(events.popen.stdout.readline())
            if line["event"] == "backplane.gap":
                self.assertGreater(line["payload"]["since_ms"], 1_600_000_000_000)
                lost += line["payload"]["lost"]
            else:
                seen += 1
        self.assertEqual(seen + lost, 500)
        self.assertGreater(lost, 0)

    def test_ctrl_c_ends_commands_whose_output_nobody_reads(self):
        big = "@" + self.write("big", json.dumps("x" * 400_000))
        events = self.follow("cli_fixture.*")
        self.bp("call", "cli_fixture.say", big)
        call = self.spawn("call", "cli_fixture.back", big)
        for process, code in ((events, 0), (call, 130)):
            self.eventually("its output is full", lambda: self.waiting_bytes(process) >= 65_536)
            process.signal(signal.SIGINT)
            self.assertEqual(process.popen.wait(10), code)

    @staticmethod
    def waiting_bytes(process):
        waiting = array.array("i", [0])
        fcntl.ioctl(process.popen.stdout, termios.FIONREAD, waiting)
        return waiting[0]

    def test_status_shows_each_listener(self):
        self.follow("cli_fixture.said")
        self.bp("call", "cli_fixture.say", "1")
        out = self.bp("status")[0]
        self.assertRegex(out, r"LISTENER +PATTERN +CONTEXT +DELIVERED +BEHIND +LOST")
        self.assertRegex(out, r"(?m)^process \d+ +cli_fixture\.said +\d+ +1 +0 +0")

    def test_a_wrong_pattern_is_usage(self):
        self.assertIn("is not a pattern", self.refused(2, "events", "a*b"))

    def test_the_listener_goes_with_the_process(self):
        events = self.follow()
        self.assertGreater(self.context()["listeners"], 0)
        events.signal(signal.SIGINT)
        self.assert_ends(events, 0)
        self.eventually("its listeners go", lambda: self.context()["listeners"] == 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
