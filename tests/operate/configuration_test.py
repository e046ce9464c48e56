# SPDX-License-Identifier: Apache-2.0
"""A host that reads its configuration file again: all of the difference, or nothing."""

import json
import os
import pathlib
import signal
import threading
import time
import unittest

from configured import ConfigurationCase
from harness import MODULES

STUCK = os.environ["BACKPLANE_STUCK"]


class Reconfigure(ConfigurationCase):
    def test_it_loads_reloads_and_unloads_what_changed_and_nothing_else(self):
        self.start('log_level = "info"', self.table("echo"), self.table("kv"))
        self.nothing_has_changed()
        self.configure('log_level = "debug"', self.table("echo", 'config = { prefix = "> " }'), self.table("timer"))
        out, _ = self.bp("reconfigure", "--dry-run")
        difference = (f"unload kv: the configuration has it no more\n"
                      f"reload echo from {self.path('echo.so')}: its configuration differs\n"
                      f"load timer from {self.path('timer.so')}: the configuration has it now\n"
                      f'log_level: from "info" to "debug"\n')
        self.assertEqual(out, difference)
        self.assertEqual(self.running(), {"echo": 1, "kv": 1})
        out, _ = self.bp("reconfigure")
        self.assertTrue(out.startswith(difference), out)
        self.assertRegex(out, r"(?m)^unloaded kv, generation 1: gone$")
        self.assertRegex(out, r"(?m)^reloaded echo 1\.\d\.\d, generation 2$")
        self.assertRegex(out, r"(?m)^loaded timer 1\.\d\.\d, generation 1$")
        self.assertEqual(self.running(), {"echo": 2, "timer": 1})
        self.assertEqual(self.prefix(), "> ")
        self.assertEqual(self.bp("log")[0], "all  debug\n")
        self.nothing_has_changed()
        self.process.wait_err(f"reload of echo for process")

    def test_the_json_has_the_difference_and_the_result(self):
        self.start(self.table("echo"))
        self.configure(self.table("echo"), self.table("kv"))
        out = self.bp_json("reconfigure")
        self.assertEqual([(each["kind"], each["module"]) for each in out["difference"]["changes"]], [("load", "kv")])
        self.assertEqual(out["difference"]["file"], self.file)
        self.assertEqual(out["result"]["changes"][0]["report"]["module"], "kv")
        out = self.bp_json("reconfigure")
        self.assertEqual((out["difference"]["changes"], out["difference"]["operation"], out["result"]), ([], 0, None))

    def test_a_module_whose_file_has_other_contents_is_reloaded(self):
        self.start(self.table("echo"), self.table("kv"))
        self.rebuilt("echo")
        self.assertIn("reload echo from", self.bp("reconfigure")[0])
        self.assertEqual(self.running(), {"echo": 2, "kv": 1})
        self.nothing_has_changed()

    def test_what_was_done_by_hand_stays_unless_the_file_has_the_module(self):
        self.start(self.table("echo"))
        self.bp("load", self.path("kv.so"))
        self.nothing_has_changed()
        self.bp("unload", "echo")
        self.assertIn("load echo from", self.bp("reconfigure")[0])
        self.assertEqual(self.running(), {"echo": 2, "kv": 1})
        self.bp("reload", "echo", "--config", '{"prefix": "- "}')
        self.assertIn("reload echo from", self.bp("reconfigure")[0])
        self.assertEqual(self.prefix(), "")

    def test_one_bad_module_of_three_changes_nothing_and_loses_no_call(self):
        self.start('log_level = "info"', self.table("echo"), self.table("timer"))
        over = threading.Event()
        answered = []
        failed = []

        def calls():
            while not over.is_set():
                try:
                    answered.append(self.bp("call", "echo.shout", '{"text": "a"}')[0])
                except AssertionError as error:
                    failed.append(str(error))

        caller = threading.Thread(target=calls)
        caller.start()
        self.addCleanup(caller.join)
        self.addCleanup(over.set)
        # In the order of their names: the first is already mapped when the second is refused.
        self.configure('log_level = "debug"', self.table("echo", 'config = { prefix = "> " }'),
                       "[modules.chatter]", f'path = "{os.environ["BACKPLANE_CHATTER"]}"',
                       "[modules.cli_fixture]", f'path = "{MODULES / "cli_fixture_fails.so"}"')
        for _ in range(3):
            out, err = self.bp("reconfigure", code=5)
            self.assertIn("load chatter from", out, err)
            self.assertIn("load_refused", err)
            self.assertIn("nothing has changed", err)
        self.assertEqual(self.running(), {"echo": 1, "timer": 1})
        self.assertEqual(self.prefix(), "")
        self.assertEqual(self.bp("log")[0], "all  info\n")
        self.assertEqual([each["state"] for each in self.bp_json("ls")["modules"]], ["running", "running"])
        self.configure('log_level = "debug"', self.table("echo", 'config = { prefix = "> " }'), self.table("kv"))
        self.bp("reconfigure")
        count = len(answered)
        self.eventually("the caller goes on", lambda: len(answered) > count + 1)
        over.set()
        caller.join()
        self.assertEqual(failed, [])
        self.assertEqual(self.running(), {"echo": 2, "kv": 1})
        self.assertEqual({json.loads(each)["prefix"] for each in answered}, {"", "> "})

    def test_a_key_that_needs_a_restart_is_refused_with_both_values(self):
        self.start("workers = 2", self.table("echo"))
        self.configure("workers = 3", self.table("echo"), self.table("kv"))
        for arguments in ((), ("--dry-run",)):
            out, err = self.bp("reconfigure", *arguments, code=2)
            self.assertEqual(out, f"load kv from {self.path('kv.so')}: the configuration has it now\nworkers: from 2 to 3\n")
            self.assertIn("these keys take effect only when the host starts: workers: from 2 to 3; restart it", err)
            self.assertIn("nothing has changed", err)
            self.assertNotIn("detail:", err)
        error = json.loads(self.bp("reconfigure", "--json", code=2)[1])["error"]
        self.assertEqual([each["module"] for each in error["detail"]["changes"]], ["kv"])
        self.assertEqual(self.running(), {"echo": 1})
        self.configure("workers = 2", "max_connections = 1024", self.table("echo"))  # the default
        self.nothing_has_changed()

    def test_a_wrong_file_is_refused_with_its_place(self):
        self.start(self.table("echo"))
        for text, message in (("this is not TOML", "host.toml:1:"), ("work = 1", "unknown key"),
                              ("calls_per_connection = 2000\ncalls_of_connections = 1000", "expected at most"),
                              ("[modules.echo]\npath = 'missing.so'", "missing.so")):
            self.configure(text)
            code = 5 if "missing" in text else 2
            err = self.refused(code, "reconfigure")
            self.assertIn(message, err)
            self.assertIn("nothing has changed", err)
        os.remove(self.file)
        self.assertIn("host.toml", self.refused(2, "reconfigure"))
        self.assertEqual(self.running(), {"echo": 1})

    def test_without_a_configuration_file_there_is_nothing_to_read(self):
        process = self.host(modules=[self.path("echo.so")])
        self.assertIn("without a configuration file", self.refused(1, "reconfigure"))
        process.signal(signal.SIGHUP)
        process.wait_err("reconfigure for SIGHUP: this host runs without a configuration file")
        self.assertEqual(self.running(), {"echo": 1})

    def test_it_needs_the_role_manage(self):
        self.start("[[listen]]", f'path = "{self.path("watch.sock")}"', 'may = ["observe", "call"]', self.table("echo"))
        err = self.refused(1, "reconfigure", "--socket", self.path("watch.sock"))
        self.assertIn('"reconfigure" needs the role manage', err)
        self.assertIn('"save" needs the role manage', self.refused(1, "save", "--socket", self.path("watch.sock")))

    def test_many_at_once_are_made_one_after_another(self):
        self.start(self.table("echo"))
        self.configure(self.table("echo"), self.table("kv"), self.table("timer"))
        commands = [self.spawn("reconfigure") for _ in range(8)]
        texts = [self.assert_ends(each, 0)[0] for each in commands]
        self.assertEqual(len([text for text in texts if text == "nothing has changed\n"]), 7, texts)
        self.assertEqual(self.running(), {"echo": 1, "kv": 1, "timer": 1})


class Hup(ConfigurationCase):
    def test_it_reads_the_file_again_and_logs_the_difference(self):
        self.start(self.table("echo"))
        self.configure(self.table("kv"))
        self.process.signal(signal.SIGHUP)
        self.process.wait_err("reconfigure for SIGHUP: unload echo: the configuration has it no more")
        self.process.wait_err(f"reconfigure for SIGHUP: load kv from {self.path('kv.so')}")
        self.process.wait_err("reconfigure for SIGHUP: done")
        self.assertEqual(self.running(), {"kv": 1})
        self.process.signal(signal.SIGHUP)
        self.process.wait_err("reconfigure for SIGHUP: nothing has changed")

    def test_a_key_that_needs_a_restart_is_refused_after_the_whole_difference(self):
        self.start("workers = 2", self.table("echo"))
        self.configure("workers = 3", self.table("echo"), self.table("kv"))
        self.process.signal(signal.SIGHUP)
        self.process.wait_err(f"info run: reconfigure for SIGHUP: load kv from {self.path('kv.so')}: the configuration has")
        self.process.wait_err("info run: reconfigure for SIGHUP: workers: from 2 to 3")
        line = self.process.wait_err("warn run: reconfigure for SIGHUP: these keys take effect only")
        self.assertIn("nothing has changed", line)
        self.assertEqual(self.running(), {"echo": 1})

    def test_a_wrong_file_changes_nothing_and_the_host_goes_on(self):
        self.start(self.table("echo"))
        self.configure("[modules.echo")
        self.process.signal(signal.SIGHUP)
        line = self.process.wait_err("reconfigure for SIGHUP: ")
        self.assertRegex(line, r" warn run: reconfigure for SIGHUP: .*host\.toml:1:.*nothing has changed")
        self.assertEqual(self.running(), {"echo": 1})
        self.process.signal(signal.SIGTERM)
        self.assert_ends(self.process, 0)


class Stuck(ConfigurationCase):
    """A module whose code does not return for as long as a file exists."""

    def setUp(self):
        super().setUp()
        self.places = pathlib.Path(self.path("places"))
        self.places.mkdir()
        self.environment["STUCK_DIR"] = str(self.places)
        self.addCleanup(self.release)

    def release(self):
        for path in self.places.glob("*"):
            path.unlink(missing_ok=True)

    def stick(self, place, *lines):
        self.start(*lines, self.table("echo"))
        (self.places / place).touch()
        self.configure(*lines, self.table("kv"), "[modules.stuck]", f'path = "{STUCK}"')

    def reached(self, place):
        self.eventually(f"nobody is in {place}", (self.places / f"{place}.reached").exists)

    def test_it_goes_on_when_its_command_is_killed(self):
        self.stick("init")
        command = self.spawn("reconfigure")
        self.reached("init")
        self.assertRegex(self.soon("status")[0], r"(?m)^\d+ +change echo, kv, stuck +running .* process "
                                                 rf"{command.pid} ")
        self.assertEqual(self.running(), {"echo": 1})
        command.stop()
        self.assertEqual(self.running(), {"echo": 1})
        self.release()
        self.eventually("it goes on", lambda: self.running() == {"kv": 1, "stuck": 1})

    def test_ctrl_c_undoes_it(self):
        self.stick("init")
        command = self.spawn("reconfigure")
        self.reached("init")
        command.signal(signal.SIGINT)
        command.wait_err("is being undone")
        self.release()
        _, err = self.assert_ends(command, 130)
        self.assertRegex(err, rf"operation \d+ \(change of .*\) was canceled by process {command.pid} \(.*\); nothing has "
                              "changed\n")
        self.assertEqual(self.running(), {"echo": 1})
        self.assertIn("load stuck", self.bp("reconfigure", "--dry-run")[0])

    def test_an_init_that_takes_too_long_changes_nothing(self):
        self.stick("init", "load_timeout_ms = 300")
        err = self.bp("reconfigure", code=5)[1]
        self.assertIn("did not return in time", err)
        self.assertEqual(self.running(), {"echo": 1})
        self.release()
        self.eventually("what was loaded is given up",
                        lambda: [each["name"] for each in self.bp_json("ls")["modules"]] == ["echo"])
        self.bp("reconfigure")
        self.assertEqual(self.running(), {"kv": 1, "stuck": 1})

    def test_timeout_leaves_it_to_the_host(self):
        self.stick("init")
        self.bp("reconfigure", "--timeout", "300", code=4)
        self.release()
        self.eventually("it goes on", lambda: self.running() == {"kv": 1, "stuck": 1})

    def test_calls_of_an_old_generation_end_in_peace(self):
        self.start(self.table("echo"), "[modules.stuck]", f'path = "{STUCK}"')
        (self.places / "handler").touch()
        call = self.spawn("call", "stuck.hold", "1")
        self.reached("handler")
        self.configure(self.table("echo"))
        out, _ = self.bp("reconfigure", "--timeout", "300")
        self.assertIn("withdrawn stuck, generation 1", out)
        self.assertEqual(self.running(), {"echo": 1})
        self.nothing_has_changed()
        self.release()
        self.assertEqual(self.assert_ends(call, 0)[0], "1\n")

    def test_a_host_that_stops_does_not_wait_for_it(self):
        self.stick("handler")
        self.release()
        (self.places / "init").touch()
        command = self.spawn("reconfigure")
        self.reached("init")
        begin = time.monotonic()
        self.process.signal(signal.SIGTERM)
        self.assert_ends(self.process, 1)
        self.assertLess(time.monotonic() - begin, 12)
        self.assertNotEqual(command.end()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
