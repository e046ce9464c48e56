# SPDX-License-Identifier: Apache-2.0
"""A host that reads its configuration file again: all of the difference, or nothing; and the way back into the file."""

import json
import os
import pathlib
import pty
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest

from harness import EXE, LIMIT, MODULES, PLUGINS
from soon import SoonCase

STUCK = os.environ["BACKPLANE_STUCK"]


class ConfigurationCase(SoonCase):
    def setUp(self):
        super().setUp()
        for name in ("echo", "kv", "timer"):
            shutil.copy(PLUGINS / f"{name}.so", self.path(f"{name}.so"))
        self.file = self.path("host.toml")

    def configure(self, *lines):
        return self.write("host.toml", "\n".join(lines) + "\n")

    def start(self, *lines, arguments=()):
        self.configure(*lines)
        self.process = self.spawn("run", "--data-dir", self.path("data"), "--config", self.file, *arguments)
        self.process.wait_err("ready on")
        return self.process

    def table(self, name, *lines):
        return "\n".join((f"[modules.{name}]", f'path = "{name}.so"', *lines))

    def running(self):
        return {each["name"]: each["generation"] for each in self.bp_json("ls")["modules"] if each["state"] == "running"}

    def rebuilt(self, name):
        """The same module in other bytes, put in place as an installer does it."""
        fresh = self.path("fresh.so")
        shutil.copy(self.path(f"{name}.so"), fresh)
        with open(fresh, "ab") as file:
            file.write(b"\0" * 16)
        os.replace(fresh, self.path(f"{name}.so"))

    def nothing_has_changed(self):
        self.assertEqual(self.bp("reconfigure")[0], "nothing has changed\n")

    def prefix(self):
        return self.bp_json("call", "echo.shout", '{"text": "a"}')["prefix"]


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
                       "[modules.cli_fixture]", f'path = "{MODULES / "cli_fixture.so"}"',
                       "[modules.desk]", f'path = "{MODULES / "desk_fails.so"}"')
        for _ in range(3):
            out, err = self.bp("reconfigure", code=5)
            self.assertIn("load cli_fixture from", out)
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
            err = self.refused(2, "reconfigure", *arguments)
            self.assertIn("these keys take effect only when the host starts: workers: from 2 to 3; restart it", err)
            self.assertIn("nothing has changed", err)
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
        self.assertIn("canceled; nothing has changed", err)
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


class Save(ConfigurationCase):
    HEAD = ("# The shop's host. Do not lose this line.", 'log_level = "info"  # quiet', "")

    def text(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def check(self):
        """The file means what runs."""
        self.bp("run", "--data-dir", self.path("data"), "--config", self.file, "--check-config")
        self.nothing_has_changed()
        self.assertEqual(self.bp("save")[0], "nothing has changed\n")

    def test_it_writes_what_is_loaded_and_keeps_all_else(self):
        self.start(*self.HEAD, "# greets", self.table("echo", "# loud", 'config = { prefix = "> " } # as ever'),
                   "", "[modules.kv] # the shop's data", 'path = "kv.so" # ours')
        os.chmod(self.file, 0o640)
        self.assertEqual(self.bp("save")[0], "nothing has changed\n")
        before = self.text()
        self.bp("reload", "echo", "--config", '{"prefix": "- "}')
        self.bp("unload", "kv")
        self.bp("load", self.path("timer.so"))
        out, err = self.bp("save", "--dry-run")
        self.assertEqual(out.splitlines(), ['- config = { prefix = "> " } # as ever',
                                            '+ config = { "prefix" = "- " } # as ever', "+ load = false", "+ ",
                                            "+ [modules.timer]", f'+ path = "{self.path("timer.so")}"'])
        self.assertEqual(self.text(), before)
        self.assertEqual(self.bp("save")[0], out)
        self.assertEqual(self.text(), before.replace('{ prefix = "> " }', '{ "prefix" = "- " }')
                         .replace("# the shop's data\n", "# the shop's data\nload = false\n") +
                         f'\n[modules.timer]\npath = "{self.path("timer.so")}"\n')
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o640)
        self.check()
        self.bp("load", self.path("kv.so"))
        self.assertEqual(self.bp("save")[0], "- load = false\n+ load = true\n")
        self.check()

    def test_the_configuration_in_a_table_of_its_own_changes_key_by_key(self):
        self.start("[modules.cli_fixture]", f'path = "{MODULES / "cli_fixture.so"}"', "", "[modules.cli_fixture.config]",
                   "# the servers", 'servers = ["a", # first', '  "b"]', "depth = 1 # deep", "gone = 1",
                   "[modules.cli_fixture.config.sub]", "x = 1", "# the end")
        new = {"servers": ["a", "b"], "depth": 2, "sub": {"x": 2}, "fresh": {"a b": 1.5}, "list": [True, {"k": "v"}]}
        self.bp("reload", "cli_fixture", "--config", json.dumps(new))
        self.bp("save")
        text = self.text()
        for kept in ("# the servers", '"a", # first', "depth = 2 # deep", "# the end"):
            self.assertIn(kept, text)
        self.assertNotIn("gone", text)
        self.check()

    def test_the_bundled_modules_stay_when_a_table_gets_a_path(self):
        self.configure("# nothing yet")
        self.process = self.spawn("run", "--data-dir", self.path("data"), "--config", self.file)
        self.process.wait_err("ready on")
        before = self.running()
        self.assertIn("kv", before)
        self.bp("unload", "kv")
        self.assertEqual(self.bp("save")[0], "+ \n+ [modules.kv]\n+ load = false\n")
        self.check()
        self.bp("load", str(MODULES / "cli_fixture.so"))
        self.bp("save")
        self.check()
        self.assertEqual(set(self.running()), set(before) - {"kv"} | {"cli_fixture"})

    def test_on_a_terminal_it_asks_first(self):
        self.start(self.table("echo"))
        before = self.text()
        self.bp("load", self.path("kv.so"))
        for answer, options in ((b"n\n", ()), (b"\n", ()), (b"y\n", ("--dry-run",)), (b"", ("--yes",))):
            self.assertEqual(self.text(), before)
            ours, theirs = pty.openpty()
            self.addCleanup(os.close, ours)
            os.write(ours, answer)
            done = subprocess.run([EXE, "save", *options], env=self.environment, cwd=self.dir, stdin=theirs,
                                  stdout=theirs, stderr=subprocess.PIPE, timeout=LIMIT, check=False)
            os.close(theirs)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(b"? [y/N]" in done.stderr, not options, done.stderr)
        self.assertIn("[modules.kv]", self.text())

    def test_a_file_that_is_changed_while_it_asks_is_not_replaced(self):
        self.start(self.table("echo"))
        self.bp("load", self.path("kv.so"))
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        save = subprocess.Popen([EXE, "save"], env=self.environment, cwd=self.dir, stdin=theirs, stdout=theirs,
                                stderr=subprocess.PIPE)
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(save.stderr.fileno(), 4096)
        mine = self.text() + "# edited meanwhile\n"
        self.write("host.toml", mine)
        os.write(ours, b"y\n")
        _, err = save.communicate(timeout=LIMIT)
        self.assertEqual(save.returncode, 1, err)
        self.assertIn(b"was changed meanwhile", err)
        self.assertEqual(self.text(), mine)
        self.assertEqual([name for name in os.listdir(self.dir) if "backplane-save" in name], [])

    def test_what_is_no_regular_file_is_not_replaced(self):
        self.start(self.table("echo"))
        self.bp("load", self.path("kv.so"))
        os.mkfifo(self.path("pipe"))
        os.symlink(self.path("nowhere/at/all"), self.path("link"))
        os.symlink("/dev/null", self.path("device"))
        for name in ("pipe", "link", "device"):
            self.assertRegex(self.refused(2, "save", "--config", self.path(name)), "not a regular file|leads nowhere")
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe")).st_mode))
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        # A pipe in the place of the configuration file does not keep those that follow.
        os.rename(self.file, self.path("away"))
        os.mkfifo(self.file)
        self.assertIn("not a regular file", self.refused(2, "reconfigure"))
        os.rename(self.path("away"), self.file)
        self.bp("reconfigure", "--dry-run")

    def test_another_file_or_an_edited_one_gets_all_that_runs(self):
        self.start(self.table("echo"))
        self.bp("load", self.path("kv.so"))
        self.bp("save", "--config", self.path("new.toml"))
        saved = pathlib.Path(self.path("new.toml")).read_text()
        for name in ("echo", "kv"):
            self.assertIn(f'path = "{self.path(name + ".so")}"', saved)
        self.bp("run", "--check-config", "--config", self.path("new.toml"))
        # Somebody takes a table out, and does not reconfigure.
        self.write("host.toml", self.table("kv"))
        self.bp("save")
        self.assertIn(f'path = "{self.path("echo.so")}"', self.text())
        self.check()

    def test_a_link_stays_and_its_target_is_replaced(self):
        self.start(self.table("echo"))
        os.makedirs(self.path("real"))
        shutil.move(self.file, self.path("real/host.toml"))
        os.symlink(self.path("real/host.toml"), self.file)
        self.bp("load", self.path("kv.so"))
        self.bp("save")
        self.assertTrue(os.path.islink(self.file))
        self.assertIn("[modules.kv]", self.text())
        self.assertEqual(os.listdir(self.path("real")), ["host.toml"])
        self.check()

    def test_a_folder_that_cannot_be_written_leaves_the_file_as_it_was(self):
        self.start(self.table("echo"))
        os.makedirs(self.path("real"))
        shutil.move(self.file, self.path("real/host.toml"))
        os.symlink(self.path("real/host.toml"), self.file)
        before = self.text()
        self.bp("load", self.path("kv.so"))
        os.chmod(self.path("real"), 0o500)
        self.addCleanup(os.chmod, self.path("real"), 0o700)
        if os.access(self.path("real"), os.W_OK):
            self.skipTest("root may write everywhere")
        out, err = self.bp("save", code=1)
        self.assertIn("[modules.kv]", out)
        self.assertRegex(err, r"is as it was: cannot make a new file beside it: Permission denied")
        self.assertEqual(self.text(), before)

    def test_a_folder_that_takes_no_files_is_told(self):
        self.start(self.table("echo"))
        self.bp("load", self.path("kv.so"))
        out, err = self.bp("save", "--config", "/proc/host.toml", code=1)
        self.assertIn("+ [modules.kv]", out)
        self.assertIn('"/proc/host.toml" is as it was: cannot make a new file beside it', err)

    def test_a_full_disk_leaves_the_file_as_it_was(self):
        self.start(self.table("echo"))
        before = self.text()
        self.bp("load", self.path("kv.so"))
        limited = ("import os, resource, signal, sys\n"
                   "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                   "resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))\n"
                   "os.execv(sys.argv[1], sys.argv[1:])\n")
        done = subprocess.run([sys.executable, "-c", limited, EXE, "save"], env=self.environment, cwd=self.dir,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("is as it was: cannot write a new file beside it: File too large", done.stderr)
        self.assertEqual(self.text(), before)
        self.assertEqual([name for name in os.listdir(self.dir) if "backplane-save" in name], [])

    def test_what_toml_cannot_say_is_refused(self):
        self.start(self.table("echo"))
        before = self.text()
        self.bp("load", str(MODULES / "cli_fixture.so"), "--config", '{"x": null}')
        err = self.refused(2, "save")
        self.assertIn('the configuration of the module "cli_fixture" cannot be said in TOML', err)
        self.assertEqual(self.text(), before)

    def test_an_inline_table_of_all_modules_is_not_rewritten(self):
        self.start(f'modules = {{ echo = {{ path = "{self.path("echo.so")}" }} }}')
        before = self.text()
        self.bp("unload", "echo")
        self.assertIn("cannot be changed in place: echo", self.refused(2, "save"))
        self.assertEqual(self.text(), before)

    def test_dotted_keys_are_changed_too(self):
        self.start("[modules]", "echo.path = 'echo.so'", "echo.config.prefix = '> '", "kv.path = 'kv.so'")
        self.bp("reload", "echo", "--config", '{"prefix": "- "}')
        self.bp("unload", "kv")
        self.assertEqual(self.bp("save")[0].splitlines(),
                         ["- echo.config.prefix = '> '", '+ echo.config.prefix = "- "', "+ kv.load = false"])
        self.check()

    def test_without_a_file_it_needs_one(self):
        self.host(modules=[self.path("echo.so")])
        self.assertIn("--config FILE", self.refused(2, "save"))
        out, _ = self.bp("save", "--config", self.path("new.toml"), "--json")
        self.assertEqual(json.loads(out)["lines"], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
