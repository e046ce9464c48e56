# SPDX-License-Identifier: Apache-2.0
"""The load generator: against a host, and against a Redis server, or what speaks as one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import PLUGINS, Case

ECHO = str(PLUGINS / "echo.so")


class Resp:
    """A server of ECHO: Redis where it is installed, else these few lines."""

    def __init__(self, case):
        self.path = case.path("redis.sock")
        program = shutil.which("redis-server")
        if program:
            self.process = subprocess.Popen(
                [program, "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no", "--dir", case.dir],
                stdout=subprocess.DEVNULL)
            case.addCleanup(self.process.communicate)
            case.addCleanup(self.process.terminate)
            case.eventually("redis-server serves", self.serves)
        else:
            serve(case, self.path, self.answer)

    def serves(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.path) == 0

    @staticmethod
    def answer(data):
        """The replies to what is whole in the data, and how much of it that is."""
        out, at = b"", 0
        while True:
            head = data.find(b"ECHO\r\n$", at)
            line = data.find(b"\r\n", head + 7) if head >= 0 else -1
            if line < 0:
                return out, at
            size = int(data[head + 7:line])
            if len(data) < line + 4 + size:
                return out, at
            out += b"$%d\r\n%s\r\n" % (size, data[line + 2:line + 2 + size])
            at = line + 4 + size


def serve(case, path, answer):
    """Serves each connection on a thread; answer(data) gives the reply and how many bytes it has used."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def talk(peer):
        data = b""
        with peer:
            while part := peer.recv(65536):
                data += part
                out, used = answer(data)
                data = data[used:]
                if out is None:
                    return
                peer.sendall(out)

    def accept():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    case.addCleanup(listener.close)
    case.addCleanup(listener.shutdown, socket.SHUT_RDWR)


class Bench(Case):
    def setUp(self):
        super().setUp()
        self.host_process = self.host(modules=(ECHO, str(PLUGINS / "timer.so")))

    def calls(self, name):
        names = {each["name"]: each for each in self.bp_json("status")["names"]}
        return names[name]["calls"] if name in names else 0

    def check_report(self, report, **expected):
        for key, value in expected.items():
            self.assertEqual(report[key], value, report)
        self.assertGreater(report["calls_per_s"], 0)
        # calls_per_s has one decimal, which matters on a machine so busy that it makes a few calls a second.
        self.assertAlmostEqual(report["calls_per_s"], report["calls"] / report["seconds"],
                               delta=max(report["calls_per_s"] / 100, 0.05))
        latency = report["latency_ns"]
        ordered = [0, latency["p50"], latency["p99"], latency["p999"], latency["max"]]
        self.assertEqual(sorted(ordered), ordered)

    def test_each_call_is_made_once_and_counted(self):
        for c, p, n in [(1, 1, 1), (1, 1, 50), (3, 1, 100), (1, 16, 1000), (8, 16, 5000), (8, 128, 20001), (2, 100, 3)]:
            before = self.calls("echo.raw")
            report = self.bp_json("bench", "echo.raw", "-c", str(c), "-P", str(p), "-n", str(n))
            self.check_report(report, name="echo.raw", protocol="backplane", connections=c, in_flight=p, calls=n,
                              errors=0, wrong=0, interrupted=False)
            self.assertEqual(self.calls("echo.raw") - before, n)

    def test_people_are_told_throughput_and_latency(self):
        out, err = self.bp("bench", "echo.shout", "--payload", '{"text": "hi"}', "-n", "100", "-c2")
        self.assertRegex(out, r"100 calls of echo\.shout with \d+ bytes, 2 connections, 1 in flight each: ")
        self.assertRegex(out, r"(?m)^throughput +\d+ calls/s$")
        self.assertRegex(out, r"(?m)^latency +p50 [0-9.]+ us +p99 [0-9.]+ us +p99\.9 [0-9.]+ us +max [0-9.]+ us$")
        self.assertEqual(err, "")

    def test_payloads_of_all_sizes_come_back_as_they_went(self):
        for size, n in [(0, 100), (5, 100), (70_000, 200), (3_000_000, 8)]:
            with open(self.path("payload"), "wb") as file:
                file.write(os.urandom(size))
            report = self.bp_json("bench", "echo.raw", "--raw", "--payload", "@" + self.path("payload"), "-P", "4",
                                  "-n", str(n))
            self.check_report(report, payload_bytes=size, calls=n, errors=0, wrong=0)

    def test_replies_that_come_in_another_order_are_those_of_their_calls(self):
        report = self.bp_json("bench", "timer.echo", "--payload", '{"message": "tea", "delay_ms": 1}', "-P", "32", "-n",
                              "500")
        self.check_report(report, calls=500, errors=0)
        self.assertGreater(report["latency_ns"]["p50"], 900_000)

    def test_seconds_end_it(self):
        began = time.monotonic()
        report = self.bp_json("bench", "echo.raw", "--seconds", "1", "-P", "16")
        self.assertGreater(time.monotonic() - began, 0.9)
        self.check_report(report, errors=0, wrong=0)

    def test_ctrl_c_ends_it_with_the_report_so_far(self):
        bench = self.spawn("bench", "echo.raw", "--seconds", "1000", "--json")
        self.eventually("calls are made", lambda: self.calls("echo.raw") > 100)
        bench.signal(signal.SIGINT)
        code, out, err = bench.end()
        self.assertEqual((code, err), (0, ""))
        self.check_report(json.loads(out), errors=0, interrupted=True)

    def test_a_name_that_nobody_has_is_an_error_and_the_nearest_is_named(self):
        err = self.refused(1, "bench", "echo.rwa")
        self.assertIn('no loaded module has the wire name "echo.rwa"', err)
        self.assertIn("did you mean echo.raw?", err)
        self.refused(1, "bench", "No Name")

    def test_answers_that_are_errors_are_counted_and_the_first_is_told(self):
        out, err = self.bp("bench", "echo.shout", "--payload", "[]", "-n", "20", "-P", "4", "--json", code=1)
        self.assertEqual(json.loads(out)["errors"], 20)
        self.assertIn("20 of 20 calls ended with an error; the first: ", json.loads(err)["error"]["message"])

    def test_a_socket_that_nobody_serves_is_unreachable(self):
        self.assertIn("backplane run", self.refused(3, "bench", "echo.raw", "--socket", self.path("none")))
        self.assertIn("cannot connect", self.refused(3, "bench", "--redis", "--socket", self.path("none")))

    def test_wrong_arguments_are_usage(self):
        self.assertIn("found no NAME", self.refused(2, "bench"))
        self.assertIn('--connections: found "0", expected a whole number from 1 to 1024',
                      self.refused(2, "bench", "echo.raw", "-c", "0"))
        self.assertIn("--pipeline needs a value: --pipeline N", self.refused(2, "bench", "echo.raw", "-P"))
        self.assertIn('--number: found "many", expected a whole number of 1 or more',
                      self.refused(2, "bench", "echo.raw", "-n", "many"))
        self.assertIn("together with --redis", self.refused(2, "bench", "echo.raw", "--redis", "--socket", "x"))
        self.assertIn("--redis needs the server's socket", self.refused(2, "bench", "--redis"))

    def test_an_option_given_twice_is_told_as_that(self):
        self.assertIn("--number: found twice, expected once; leave one out",
                      self.refused(2, "bench", "echo.raw", "-n", "5", "--number", "6"))
        self.assertIn("--timeout: found 3 times, expected once; leave all but one out",
                      self.refused(2, "call", "echo.raw", *["--timeout", "5"] * 3))
        self.assertIn("--socket: found twice", self.refused(2, "ls", "--socket", "a", "--socket", "b"))

    def test_seconds_may_have_a_fraction(self):
        report = self.bp_json("bench", "echo.raw", "--seconds", "0.05")
        self.check_report(report, errors=0, wrong=0, open=0)
        for given in ("0", "-1", "nan", "inf", "1000001", "1s"):
            self.assertIn(f'--seconds: found "{given}", expected a number above 0, at most 1000000',
                          self.refused(2, "bench", "echo.raw", f"--seconds={given}"))

    def test_answers_that_are_not_compared_have_no_count_of_wrong_ones(self):
        self.assertIsNone(self.bp_json("bench", "timer.echo", "--payload", '{"message": "tea", "delay_ms": 0}', "-n",
                                       "1")["wrong"])

    def broken_off(self, code, end, *arguments):
        """A bench that `end` takes the host from; returns its stdout and stderr."""
        bench = self.spawn("bench", "echo.raw", "--seconds", "1000", "-P", "4", *arguments)
        self.eventually("calls are made", lambda: self.calls("echo.raw") > 100)
        end()
        return self.assert_ends(bench, code)

    def test_a_host_that_goes_ends_it_with_3_and_the_report_so_far(self):
        out, err = self.broken_off(3, lambda: self.host_process.signal(signal.SIGKILL))
        self.assertRegex(err, r"has closed the connection after \d+ calls; \d (is|are) open")
        self.assertIn("the host has ended or was stopped; check it with backplane status", err)
        self.assertRegex(out, r"(?m)^throughput +[1-9]\d* calls/s$")
        self.assertRegex(out, r"(?m)^cut short +after [0-9.]+ s; \d calls? (was|were) still open$")

    def test_a_host_that_stands_still_ends_it_with_4_and_the_report_so_far(self):
        out, err = self.broken_off(4, self.host_process.freeze, "--timeout", "300", "--json")
        error = json.loads(err)["error"]
        self.assertRegex(error["message"], r"no answer for 300 ms; \d+ calls had been answered, [1-4] (is|are) open")
        self.assertIn("the host hangs or was stopped", error["hint"])
        report = json.loads(out)
        self.check_report(report, errors=0, wrong=0, interrupted=False)
        self.assertIn(report["open"], range(1, 5))
        self.host_process.signal(signal.SIGCONT)


class Redis(Case):
    def test_a_redis_server_gets_echoes_and_each_answer_is_checked(self):
        server = Resp(self)
        for c, p, n in [(1, 1, 20), (1, 16, 1000), (4, 64, 5000)]:
            report = self.bp_json("bench", "--redis", "--socket", server.path, "--payload", "hello", "--raw", "-c", str(c),
                                  "-P", str(p), "-n", str(n))
            self.assertEqual((report["name"], report["protocol"], report["payload_bytes"]), ("ECHO", "redis", 5))
            self.assertEqual((report["calls"], report["errors"], report["wrong"]), (n, 0, 0))
        with open(self.path("payload"), "wb") as file:
            file.write(os.urandom(200_000))
        report = self.bp_json("bench", "--redis", "--socket", server.path, "--payload", "@" + self.path("payload"), "--raw",
                              "-P", "4", "-n", "50")
        self.assertEqual((report["calls"], report["errors"], report["wrong"]), (50, 0, 0))

    def bench_against(self, answer, code):
        serve(self, self.path("s"), answer)
        return self.bp("bench", "--redis", "--socket", self.path("s"), "--payload", "hello", "--raw", "-n", "1", code=code)

    def test_other_bytes_than_were_sent_are_found(self):
        out, err = self.bench_against(lambda data: (b"$5\r\nhellO\r\n", len(data)), 1)
        self.assertIn("1 of the answers had other bytes", out)
        self.assertIn("1 of 1 answer had other bytes than their calls", err)

    def test_an_error_of_the_server_is_counted_and_told(self):
        _, err = self.bench_against(lambda data: (b"-NOAUTH who are you\r\n", len(data)), 1)
        self.assertIn("the first: NOAUTH who are you", err)

    def interrupted(self, *arguments):
        """The stdout of a bench that Ctrl-C ends before its server has answered anything."""
        asked = threading.Event()

        def silent(_):
            asked.set()
            return b"", 0

        path = self.path("silent" + str(len(arguments)))
        serve(self, path, silent)
        bench = self.spawn("bench", "--redis", "--socket", path, "--payload", "h", "--raw", "-P", "3", *arguments)
        self.assertTrue(asked.wait(60))
        bench.signal(signal.SIGINT)
        out, err = self.assert_ends(bench, 0)
        self.assertEqual(err, "")
        return out

    def test_what_was_interrupted_says_so_and_has_no_latencies_that_nobody_measured(self):
        out = self.interrupted()
        self.assertRegex(out, r"^0 calls of ECHO with 1 byte, 1 connection, 3 in flight: ")
        self.assertRegex(out, r"(?m)^latency +p50 – +p99 – +p99\.9 – +max –$")
        self.assertRegex(out, r"(?m)^interrupted +after \d+\.\d s; 3 calls were still open$")
        report = json.loads(self.interrupted("--json"))
        self.assertEqual(set(report["latency_ns"].values()), {None})
        self.assertEqual((report["calls"], report["open"], report["interrupted"]), (0, 3, True))

    def test_what_is_no_resp_is_told(self):
        self.assertIn("found the byte 72", self.bench_against(lambda data: (b"HTTP/1.1 400", len(data)), 3)[1])

    def test_a_server_that_closes_is_told(self):
        out, err = self.bench_against(lambda data: (None, 0), 3)
        self.assertEqual(out, "")
        self.assertIn("has closed the connection after 0 calls; 1 is open", err)


if __name__ == "__main__":
    unittest.main()
