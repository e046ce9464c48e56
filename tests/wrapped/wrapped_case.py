# SPDX-License-Identifier: Apache-2.0
"""What the tests of modules around libraries share: a host with such modules, and what it holds."""

import os
import pathlib
import re
import sys
import time

from cases import cases
from client import Client, Server
from harness import MODULES, Case
from table import GONE, TABLE

PATIENCE = 30  # seconds within which a thread that spins must have come to rest


class WrappedCase(Case):
    def setUp(self):
        super().setUp()
        self.loaded = set()
        self.server = Server(self.dir)
        self.addCleanup(self.server.close)

    def file(self, name):
        path = MODULES / f"{name}.so"
        if not path.exists():
            self.fail(f"found no module {path}; expected that {TABLE[name].library} was there when it was built; run "
                      "scripts/setup wrapped, and build again")
        return path

    def cases(self, name):
        return cases(name, self.server)

    def start(self, *names):
        """A host with these modules; returns a connection to it."""
        self.loaded = set(names)
        self.process = self.host(modules=[self.file(name) for name in names])
        self.addCleanup(self.tell_crash, self.process)
        return self.connect()

    @staticmethod
    def tell_crash(process):
        """What a host has said that has crashed under a call or operation."""
        if process.popen.poll() is not None and process.popen.returncode < 0 and not process.popen.stderr.closed:
            code, _, err = process.end()
            print(f"the host has ended with {code}; its log:\n{err[-3000:]}", file=sys.stderr)

    def connect(self):
        client = Client(self.socket)
        self.addCleanup(client.close)
        return client

    def stop(self):
        """Ends the host. A crash at the end is an exit code, and so is a line about it."""
        self.process.signal(15)
        _, err = self.assert_ends(self.process, 0)
        self.assertNotIn("backplane: ", err)

    def proc(self, name):
        return pathlib.Path(f"/proc/{self.process.pid}/{name}")

    def mapped(self, name):
        """Mappings of the module's private copies: an answer that does not come from the host."""
        return re.findall(rf"(?m)^.*/{name}\.g\d+\.\d+\.so.*$", self.proc("maps").read_text())

    def holds(self):
        """Memory in KiB, threads, and descriptors."""
        status = dict(re.findall(r"(?m)^(VmRSS|Threads):\s+(\d+)", self.proc("status").read_text()))
        return int(status["VmRSS"]), int(status["Threads"]), len(os.listdir(self.proc("fd")))

    def beside_spinners(self, name):
        return any(TABLE[each].spins for each in {name} | self.loaded)

    def spins(self, name, report):
        """Whether the host could not see what a thread of such a library does, since it ran all the time."""
        return self.beside_spinners(name) and all("ran all the time" in reason["what"] for reason in report["reasons"])

    def assert_ended(self, name, report):
        """Of a generation: that it has ended as the table says."""
        found = report["outcome"], tuple(reason["kind"] for reason in report["reasons"])
        if found != (GONE, ()) and self.spins(name, report):
            return  # it goes by itself
        self.assertEqual(found, (TABLE[name].outcome, TABLE[name].reasons), report)

    def unload(self, client, name):
        deadline = time.monotonic() + PATIENCE
        report = client.unload(name)
        while report["outcome"] != GONE and self.spins(name, report) and time.monotonic() < deadline:
            report = client.unload(name)  # as the reason says
        self.assert_ended(name, report)
        if TABLE[name].outcome == GONE:
            while self.mapped(name) and self.beside_spinners(name) and time.monotonic() < deadline:
                time.sleep(0.05)  # older generations go by themselves
            self.assertEqual(self.mapped(name), [], report)
        else:
            self.assertTrue(self.mapped(name))
