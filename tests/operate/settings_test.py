# SPDX-License-Identifier: Apache-2.0
"""What the operator sets for one module: its worker threads, its stack, and that it is never unmapped."""

import unittest

from configured import ConfigurationCase


class Settings(ConfigurationCase):
    ALL = ("workers = 2", "stack_size = 1048576", 'unload = "never"')

    def settings(self, name="echo"):
        for each in self.bp_json("ls")["modules"]:
            if each["name"] == name and each["state"] == "running":
                return each["settings"]
        return None

    def text(self):
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def test_the_file_has_them_and_a_changed_one_is_a_reload(self):
        self.start(self.table("echo", *self.ALL), self.table("kv"))
        self.assertEqual(self.settings(), {"unload": "never", "workers": 2, "stack_size": 1048576})
        self.assertEqual(self.settings("kv"), {"unload": "drain", "workers": 0, "stack_size": 0})
        self.nothing_has_changed()
        details = self.bp("ls", "echo")[0]
        self.assertRegex(details, r"(?m)^unload +never$")
        self.assertRegex(details, r"(?m)^workers +2$")
        self.assertRegex(details, r"(?m)^stack_size +1048576$")
        self.configure(self.table("echo", "workers = 3"), self.table("kv"))
        out, _ = self.bp("reconfigure")
        self.assertIn(f"reload echo from {self.path('echo.so')}: its settings differ: unload from \"never\" to the "
                      f"default, workers from 2 to 3, stack_size from 1048576 to the default\n", out)
        self.assertIn("the operator says unload = never", out)
        self.assertEqual(self.settings(), {"unload": "drain", "workers": 3, "stack_size": 0})
        self.assertEqual(self.running(), {"echo": 2, "kv": 1})
        self.nothing_has_changed()

    def test_print_config_and_check_config_know_them(self):
        self.configure(self.table("echo", *self.ALL))
        out, _ = self.bp("run", "--config", self.file, "--data-dir", self.path("data"), "--print-config")
        for line in self.ALL:
            self.assertIn(line + "\n", out)
        for line, message in (
                ("workers = 0", r"modules\.echo\.workers: found 0, expected an integer from 1 to 256"),
                ("workers = 257", r"modules\.echo\.workers: found 257, expected an integer from 1 to 256"),
                ("stack_size = 100", r"modules\.echo\.stack_size: found 100, expected bytes, an integer from 16384 to "),
                ('workers = "2"', r"modules\.echo\.workers: found a string, expected an integer from 1 to 256"),
                ('unload = "later"', r'modules\.echo\.unload: found "later", expected "drain" or "never"')):
            self.configure(self.table("echo", line))
            _, err = self.bp("run", "--config", self.file, "--check-config", code=2)
            self.assertRegex(err, r"host\.toml:3:\d+: " + message)
        self.configure(self.table("echo", "workers = 8"))
        _, err = self.bp("run", "--config", self.file, "--data-dir", self.path("data"), "--check-config")
        self.assertRegex(err, r"warning: .*host\.toml:3:11: modules\.echo\.workers: found 8, expected at most workers, "
                              r"which is 4 by default; the smaller one holds")

    def test_load_and_reload_take_them_and_save_writes_them(self):
        self.start(self.table("kv"))
        _, err = self.bp("load", self.path("echo.so"), "--workers", "64", "--stack-size", "65536")
        self.assertIn("found 64 workers for it, expected at most the 4 worker threads of the host", err)
        _, err = self.bp("reload", "echo", "--workers", "65", "--old-first")
        self.assertIn("found 65 workers for it, expected at most the 4 worker threads of the host", err)
        self.process.wait_err("found 65 workers for it, expected at most the 4 worker threads of the host")  # the log
        _, err = self.bp("reload", "echo", "--workers", "2")
        self.assertNotIn("worker threads of the host", err)
        self.assertEqual(self.settings(), {"unload": "drain", "workers": 2, "stack_size": 65536})
        self.bp("reload", "echo")
        self.assertEqual(self.settings(), {"unload": "drain", "workers": 2, "stack_size": 65536})
        self.bp("reload", "echo", "--workers", "3")
        self.assertEqual(self.settings(), {"unload": "drain", "workers": 3, "stack_size": 65536})
        out, _ = self.bp("save")
        self.assertIn("+workers = 3\n+stack_size = 65536\n", out)
        self.nothing_has_changed()
        self.bp("reload", "echo", "--workers", "0", "--unload", "never")
        self.assertEqual(self.settings(), {"unload": "never", "workers": 0, "stack_size": 65536})
        self.bp("save")
        self.assertNotIn("workers", self.text())
        self.assertIn('unload = "never"\n', self.text())
        self.assertEqual(self.bp("save")[0], "nothing has changed\n")
        self.nothing_has_changed()
        for arguments, message in ((("--workers", "257"), "--workers"), (("--stack-size", "100"), "--stack-size"),
                                   (("--unload", "now"), "--unload")):
            self.assertIn(message, self.bp("reload", "echo", *arguments, code=2)[1])
        report = self.bp("unload", "echo", code=1)[0]
        self.assertIn("the operator says unload = never", report)


if __name__ == "__main__":
    unittest.main()
