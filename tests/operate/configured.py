# SPDX-License-Identifier: Apache-2.0
"""A case whose host has a configuration file."""

import os
import shutil

from harness import PLUGINS
from soon import SoonCase


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
