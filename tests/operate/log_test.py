# SPDX-License-Identifier: Apache-2.0
"""The log of a host: a stderr that nobody reads holds nobody up, and the lines say what they should."""

import fcntl
import json
import os
import re
import select
import signal
import subprocess
import time
import unittest

from harness import EXE, LIMIT
from soon import SLOW, SOON, SoonCase

CHATTER = os.environ["BACKPLANE_CHATTER"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}"


class LogCase(SoonCase):
    def begin(self, *arguments, environment=None, wait=True):
        """A host whose stderr is a pipe that only this test reads, when it wants to."""
        self.reader, writer = os.pipe()
        self.addCleanup(os.close, self.reader)
        self.process = subprocess.Popen(
            [EXE, "run", "--data-dir", self.path("data"), "--module", CHATTER, *arguments],
            env={**self.environment, **(environment(writer) if environment else {})}, cwd=self.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
        self.addCleanup(self.kill)
        self.text = ""
        if wait:
            os.close(writer)
            self.until("ready on")
        else:
            self.addCleanup(os.close, writer)
        return writer

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def until(self, part):
        """Reads stderr until a whole line has the text (a pattern); returns that line."""
        deadline = time.monotonic() + LIMIT
        while True:
            for line in self.text.split("\n")[:-1]:
                if re.search(part, line):
                    return line
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.reader], [], [], left)[0]:
                raise AssertionError(f"no line with {part!r}; the last are {self.text[-2000:]!r}")
            data = os.read(self.reader, 1 << 20)
            if not data:
                raise AssertionError(f"stderr ended without {part!r}; the last are {self.text[-2000:]!r}")
            self.text += data.decode()

    def rest(self):
        """All lines until the host has ended."""
        while data := os.read(self.reader, 1 << 20):
            self.text += data.decode()
        return self.text.splitlines()

    def block(self):
        """Has the host write more lines than the pipe takes."""
        fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, 4096)
        self.call("count", "1000")

    def call(self, verb, payload="", **options):
        return self.bp("call", f"chatter.{verb}", payload or "x", "--raw", **options)


class Blocked(LogCase):
    def test_a_host_whose_stderr_is_full_answers_calls_and_status_and_stops(self):
        self.begin("--log-level", "debug")
        self.block()
        for _ in range(5):
            self.soon("call", "chatter.count", "5000", "--raw")
            self.soon("call", "chatter.fail", "x", "--raw", code=1)
        report = json.loads(self.soon("status", "--json")[0])
        self.assertGreater(report["log"]["dropped"], 10_000)
        self.assertLessEqual(report["log"]["waiting"], 8192)
        self.assertRegex(self.soon("status")[0], r"(?m)^log +dropped \d{5,}, because stderr took no lines$")
        self.soon("ls")
        self.soon("log", "info")
        self.soon("stop")
        self.assertEqual(self.process.wait(SOON), 0)

    def test_sigterm_ends_it_although_nobody_reads_its_stderr(self):
        self.begin("--log-level", "debug")
        self.block()
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(LIMIT), 0)
        if not SLOW:
            self.assertLess(time.monotonic() - begin, SOON)

    def test_a_start_that_fails_ends_although_nobody_reads_its_stderr(self):
        writer = self.begin("--module", self.write("text.so", ""), wait=False)
        # Fill the pipe before the host can write much. What it says is lost, and its exit code says it.
        self.process.kill()
        self.process.wait()
        os.set_blocking(writer, False)
        fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, 4096)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        self.environment["BACKPLANE_LOG_FORMAT"] = "json"
        os.mkdir(self.path("none"))
        self.write("blocked", "")
        done = subprocess.run([EXE, "run", "--module-dir", self.path("none"), "--data-dir", self.path("blocked")],
                              env=self.environment, cwd=self.dir, stderr=writer, timeout=LIMIT)
        self.assertEqual(done.returncode, 2)

    def test_what_was_dropped_is_told_once_stderr_takes_lines_again(self):
        self.begin("--log-level", "debug", "--config", self.write("host.toml", "log_queue_lines = 100\n"))
        self.block()
        self.call("count", "3000")
        self.call("say", "2that is all")
        line = self.until("lines were dropped: stderr takes none")
        self.assertRegex(line, rf"^{TIME}[+-]\d\d:\d\d warn log: \d+ lines were dropped: stderr takes none$")
        self.until("that is all")
        told = sum(int(count) for count in re.findall(r"(\d+) lines were dropped", self.text))
        lines = [each for each in self.text.splitlines() if "number" in each]
        self.assertIn("number 2999 of", lines[-1])  # the newest are kept
        self.assertGreater(told, 3000)
        self.bp("log", "info")  # no more lines about each command
        # What was dropped meanwhile is told before the next line.
        for attempt in range(20):
            dropped = json.loads(self.bp("status", "--json")[0])["log"]["dropped"]
            if dropped == told:
                break
            self.call("say", f"2again {attempt}")
            self.until(f"again {attempt}")
            told = sum(int(count) for count in re.findall(r"(\d+) lines? (?:were|was) dropped", self.text))
        self.assertEqual(dropped, told, "each is told once")

    def test_an_idle_log_uses_no_processor_time(self):
        self.begin()
        self.call("repeat", "10")
        self.until("repeated 9 times")

        def switches():
            found = 0
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                with open(f"/proc/{self.process.pid}/task/{task}/comm", encoding="utf-8") as name:
                    if name.read() != "bp-log\n":
                        continue
                with open(f"/proc/{self.process.pid}/task/{task}/status", encoding="utf-8") as status:
                    found += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
            return found

        def rests():
            before = switches()
            select.select([], [], [], 1.5)  # nothing can be waited for: it is the absence of wake-ups that counts
            return switches() == before

        self.assertGreater(switches(), 0)
        self.eventually("it does not come to rest", rests)  # on a busy machine after a while; a busy log never does


class Lines(LogCase):
    def test_lines_have_time_level_and_source(self):
        self.begin("--log-level", "info")
        self.assertRegex(self.until("ready on"), rf"^{TIME}[+-]\d\d:\d\d info run: ready on {self.socket}, 1 module, pid "
                                                 rf"{self.process.pid}$")
        self.assertRegex(self.until("loaded from"), r" info modules: chatter \(generation 1\) loaded from ")
        self.call("say", "3careful")
        self.assertRegex(self.until("careful"), rf"^{TIME}[+-]\d\d:\d\d warn chatter \(generation 1\): careful$")
        self.bp("stop")
        lines = self.rest()
        self.assertTrue(all(re.match(rf"{TIME}[+-]\d\d:\d\d (info|warn) ", line) for line in lines), lines)
        self.assertIn("info server: process", self.text)
        self.assertIn("info run: stopping", lines[-1])

    def test_json_lines_are_objects_with_time_level_source_and_message(self):
        self.begin("--log-format", "json", "--log-level", "debug")
        self.call("say", '4a "quoted" \\ line\n\x1b[31mred')
        self.call("fail", code=1)
        self.call("repeat", "3")
        self.bp("stop")
        lines = [json.loads(line) for line in self.rest()]
        for line in lines:
            self.assertRegex(line["time"], rf"^{TIME}Z$")
            self.assertIn(line["level"], ("debug", "info", "warn", "error"))
            self.assertTrue(("module" in line) != ("room" in line), line)
        found = {line["message"]: line for line in lines}
        said = found['a "quoted" \\ line\n\x1b[31mred']
        self.assertEqual((said["level"], said["module"], said["generation"]), ("error", "chatter", 1))
        failed = next(line for line in lines if line.get("name") == "chatter.fail")
        self.assertEqual((failed["level"], failed["module"], failed["status"], failed["status_code"]),
                         ("debug", "chatter", "not_found", 43))
        self.assertGreater(failed["call"], 0)
        self.assertIn("no such\nthing", failed["message"])
        self.assertEqual(found["the last line was repeated 2 times"]["repeated"], 2)
        self.assertEqual(found[f"ready on {self.socket}, 1 module, pid {self.process.pid}"]["room"], "run")

    def test_a_failing_start_is_a_json_line_too(self):
        self.begin("--module", self.write("text.so", ""), "--log-format", "json", wait=False)
        self.assertEqual(self.process.wait(LIMIT), 5)
        bad = self.write("mine.so", "")
        done = subprocess.run([EXE, "run", "--module", CHATTER, "--data-dir", bad, "--log-format", "json"],
                              env=self.environment, capture_output=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 2)
        line = json.loads(done.stderr)
        self.assertEqual((line["level"], line["room"]), ("error", "run"))
        self.assertIn("the data directory", line["message"])

    def test_nobody_can_forge_a_line(self):
        self.begin()
        forged = "2030-01-01T00:00:00.000+0000 error host: all is lost"
        self.call("say", f"2harmless\n{forged}\r\x1b[2K\u0085\x7f")
        line = self.until("harmless")
        self.assertTrue(line.endswith(rf": harmless\x0a{forged}\x0d\x1b[2K\u0085\x7f"), line)
        self.assertFalse(any(each.startswith("2030") for each in self.text.splitlines()))

    def test_a_text_without_end_is_cut(self):
        self.begin()
        self.call("say", "2" + "a" * 100_000)
        self.assertRegex(self.until("aaaa"), r"a \.\.\. \(83616 bytes more\)$")

    def test_repeated_lines_become_one_and_a_count(self):
        self.begin()
        self.call("repeat", "1000")
        line = self.until("repeated")
        self.assertRegex(line, r" info chatter \(generation 1\): the last line was repeated 999 times$")
        self.assertEqual(self.text.count("): again"), 1)
        self.call("repeat", "2")  # a second later they are written again; another line ends the count
        self.call("say", "2other")
        self.until("other")
        self.assertIn("the last line was repeated 1 time\n", self.text)

    def test_the_journal_gets_priorities_and_no_time(self):
        def journal(writer):
            info = os.fstat(writer)
            return {"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
        self.begin("--log-level", "debug", environment=journal)
        self.assertRegex(self.until("ready on"), "^<6>info run: ready on ")
        for level, priority in ((1, 7), (3, 4), (4, 3)):
            self.call("say", f"{level}line {level}")
            self.assertRegex(self.until(f"line {level}"), rf"^<{priority}>\w+ chatter \(generation 1\): line {level}$")

    def test_another_journal_stream_is_no_journal(self):
        self.begin(environment=lambda writer: {"JOURNAL_STREAM": "1:2"})
        self.assertRegex(self.until("ready on"), f"^{TIME}")

    def test_the_last_line_before_an_exit_in_a_module_is_written(self):
        self.begin()
        self.call("exit", code=3)
        self.assertEqual(self.process.wait(LIMIT), 7)
        self.assertIn("chatter (generation 1): last words", self.rest()[-2])  # the last tells the exit


class Levels(LogCase):
    def test_the_level_of_one_module_changes_at_run_time(self):
        self.begin("--log-level", "warn")
        self.call("say", "1before")
        self.call("fail", code=1)
        self.assertEqual(self.bp("log")[0], "all  warn\n")
        self.assertEqual(self.bp("log", "debug", "chatter")[0], "chatter: debug, was warn\n")
        self.call("say", "1after")
        self.call("fail", code=1)
        self.until("debug chatter .*: after")
        self.assertRegex(self.until("chatter.fail"), r' debug chatter \(generation 1\): "chatter.fail" ended with not_found '
                                                     r"\(43\), call \d+: no such\\x0athing$")
        self.assertNotIn("before", self.text)
        self.assertEqual(self.text.count("chatter.fail"), 1)
        self.assertEqual(self.bp("log")[0], "all      warn\nchatter  debug\n")
        self.assertEqual(self.bp_json("log")["modules"], [{"module": "chatter", "level": "debug"}])

    def test_a_level_for_all_ends_those_of_modules(self):
        self.begin("--log-level", "info")
        self.bp("log", "off", "chatter")
        self.call("say", "4unheard")
        self.assertEqual(self.bp_json("log", "error")["was"], "info")
        self.call("say", "3warning")
        self.call("say", "4heard")
        self.until("heard")
        self.assertNotIn("unheard", self.text)
        self.assertNotIn("warning", self.text)
        self.assertEqual(self.bp_json("log")["modules"], [])

    def test_wrong_levels_and_names_are_refused(self):
        self.begin()
        self.assertIn('LEVEL: found "loud", expected trace', self.refused(2, "log", "loud"))
        self.assertIn("expected [a-z_][a-z0-9_]*", self.refused(1, "log", "info", "No-Module"))
        self.assertIn('found "xml", expected human or json', self.refused(2, "run", "--log-format", "xml"))
        _, err = self.bp("log", "info", "nobody")
        self.assertIn('no module "nobody" is loaded', err)
        file = self.write("host.toml", 'log_format = "xml"\n')
        self.assertIn('host.toml:1:14: log_format: found "xml", expected human or json',
                      self.refused(2, "run", "--config", file))


if __name__ == "__main__":
    unittest.main(verbosity=2)
