# SPDX-License-Identifier: Apache-2.0
"""What the tests of a host under pressure share: many connections, and answers that come soon all the same."""

import os
import resource
import select
import socket
import subprocess
import time

from harness import EXE, PLUGINS, Case, Process
from raw_client import RawClient

SOON = 2.0  # seconds within which an operator has an answer
SLOW = any(name in os.environ for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"))


class SoonCase(Case):
    def setUp(self):
        super().setUp()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def limited(self, *arguments, preexec_fn=None, modules=(PLUGINS / "echo.so", PLUGINS / "timer.so")):
        """A host that is ready, whose process was prepared so."""
        flags = [flag for module in modules for flag in ("--module", str(module))]
        process = Process.__new__(Process)
        process.popen = subprocess.Popen([EXE, "run", "--data-dir", self.path("data"), *flags, *arguments],
                                         env=self.environment, cwd=self.dir, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=preexec_fn)
        process.pid = process.popen.pid
        process.seen = {process.popen.stdout: b"", process.popen.stderr: b""}
        self.addCleanup(process.stop)
        process.wait_err("ready on")
        return process

    def soon(self, *arguments, code=0):
        """Runs a command that must end in time."""
        begin = time.monotonic()
        done = self.bp(*arguments, code=code)
        if not SLOW:
            self.assertLess(time.monotonic() - begin, SOON, arguments)
        return done

    def asks(self):
        """What an operator asks for, answered soon."""
        self.soon("status")
        self.soon("ls")
        self.soon("log")

    def half_open(self, count):
        """Connections that say nothing."""
        out = []
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            client.connect(self.socket)
            self.addCleanup(client.close)
            out.append(client)
        return out

    def greeted(self, count):
        """Connections that have sent a hello, and then do nothing. Does not wait for the host's."""
        out = []
        for _ in range(count):
            client = self.half_open(1)[0]
            try:
                client.sendall(RawClient.hello())
            except BrokenPipeError:  # refused
                pass
            out.append(client)
        return out

    @staticmethod
    def is_closed(client):
        """Whether the host has closed the connection by now."""
        poll = select.poll()
        poll.register(client, select.POLLIN)
        while poll.poll(0):
            try:
                if not client.recv(1 << 16):
                    return True
            except ConnectionResetError:
                return True
        return False

    def counts(self):
        return self.bp_json("status")["server"]["connection_counts"]
