# SPDX-License-Identifier: Apache-2.0
"""What a host has loaded goes into its configuration file."""

import json
import os
import pathlib
import pty
import shutil
import signal
import stat
import subprocess
import sys
import unittest

from configured import ConfigurationCase
from harness import EXE, LIMIT, MODULES


class Save(ConfigurationCase):
    HEAD = ("# The shop's host. Do not lose this line.", 'log_level = "info"  # quiet', "")

    def text(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def patched(self, difference):
        """The file as `patch` changes it: its author did not see this code."""
        done = subprocess.run(["patch", "-o", "-", self.file], input=difference, capture_output=True, text=True, check=True)
        return done.stdout

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
        lines = out.splitlines()
        self.assertEqual(lines[:2], [f"--- {self.file}", f"+++ {self.file}"])
        self.assertRegex(lines[2], r"^@@ -\d+,\d+ \+\d+,\d+ @@")
        self.assertIn(" # loud", lines)
        self.assertEqual([line for line in lines[2:] if line[0] in "+-"],
                         ['-config = { prefix = "> " } # as ever', '+config = { "prefix" = "- " } # as ever',
                          "+load = false", "+", "+[modules.timer]", f'+path = "{self.path("timer.so")}"'])
        self.assertEqual(self.bp_json("save", "--dry-run")["lines"],
                         [f"{line[0]} {line[1:]}" for line in lines[2:] if line[0] in "+-"])
        self.assertEqual(self.text(), before)
        patched = self.patched(out)
        self.assertEqual(self.bp("save")[0], out)
        self.assertEqual(patched, self.text())
        self.assertEqual(self.text(), before.replace('{ prefix = "> " }', '{ "prefix" = "- " }')
                         .replace("# the shop's data\n", "# the shop's data\nload = false\n") +
                         f'\n[modules.timer]\npath = "{self.path("timer.so")}"\n')
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o640)
        self.check()
        self.bp("load", self.path("kv.so"))
        self.assertRegex(self.bp("save")[0], r"(?m)^@@ .*\n(.*\n)* \[modules\.kv\] # the shop's data\n-load = false\n"
                                             r"\+load = true\n path = ")
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
        self.assertTrue(self.bp("save")[0].endswith("@@\n # nothing yet\n+\n+[modules.kv]\n+load = false\n"))
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
        self.assertTrue(out.startswith("--- /dev/null\n+++ /proc/host.toml\n@@ -0,0 +1,"), out)
        self.assertIn("+[modules.kv]\n", out)
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
        self.assertEqual(self.bp("save")[0].splitlines()[2:],
                         ["@@ -1,4 +1,5 @@", " [modules]", " echo.path = 'echo.so'", "-echo.config.prefix = '> '",
                          '+echo.config.prefix = "- "', " kv.path = 'kv.so'", "+kv.load = false"])
        self.check()

    def test_without_a_file_it_needs_one(self):
        self.host(modules=[self.path("echo.so")])
        self.assertIn("--config FILE", self.refused(2, "save"))
        out, _ = self.bp("save", "--config", self.path("new.toml"), "--json")
        self.assertEqual(json.loads(out)["lines"], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
