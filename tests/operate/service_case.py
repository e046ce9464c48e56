# SPDX-License-Identifier: Apache-2.0
"""A host under a service manager, as the protocols of sd_notify(3) and sd_listen_fds(3) have it: the test is the
manager."""

import os
import select
import socket
import subprocess
import time

from harness import EXE, LIMIT, PLUGINS, Process
from operations_test import OperationCase

MODULES = (PLUGINS / "echo.so", PLUGINS / "timer.so")
STUCK_MODULES = [os.environ["BACKPLANE_STUCK"]]


class Manager:
    """The end of the notify socket that the manager reads."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.seen = []

    def take(self, timeout):
        """The next message, as a dictionary; None if none comes in time."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return None
        text = self.socket.recv(65536).decode()
        assert text.endswith("\n"), text
        message = dict(line.split("=", 1) for line in text.splitlines())
        self.seen.append(message)
        return message

    def wait(self, key):
        """Reads on until a message has the key; returns that message."""
        deadline = time.monotonic() + LIMIT
        while True:
            message = self.take(max(0, deadline - time.monotonic()))
            assert message is not None, f"no {key} within {LIMIT} s; found {self.seen}"
            if key in message:
                return message

    def rest(self):
        """All that has come by now."""
        out = []
        while (message := self.take(0)) is not None:
            out.append(message)
        return out


class ServiceCase(OperationCase):
    def manage(self, address=None, **variables):
        """From now on, hosts have a manager, with further variables of its protocol."""
        address = address or self.path("notify")
        self.manager = Manager(address)
        self.addCleanup(self.manager.socket.close)
        self.environment |= {"NOTIFY_SOCKET": address, **{name: str(value) for name, value in variables.items()}}
        return self.manager

    def listening(self, path, kind=socket.SOCK_STREAM, listens=True):
        """A socket as a socket unit makes it."""
        out = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(out.close)
        out.bind(path)
        if listens:
            out.listen(64)
        return out

    def activated(self, *sockets, arguments=(), modules=MODULES, count=None, pid="$$"):
        """Starts a host that is given these sockets, as descriptors 3 and so on. Does not wait for it."""
        def give():
            # Upwards, out of the way of their final numbers.
            aside = [os.dup(each.fileno()) for each in sockets]
            high = [os.dup2(fd, 100 + place) for place, fd in enumerate(aside)]
            for place, fd in enumerate(high):
                os.dup2(fd, 3 + place)

        flags = [flag for module in modules for flag in ("--module", str(module))]
        count = len(sockets) if count is None else count
        line = f'LISTEN_PID={pid} LISTEN_FDS={count} LISTEN_FDNAMES=x exec "$@"'
        process = Process.__new__(Process)
        process.popen = subprocess.Popen(
            ["/bin/sh", "-c", line, "sh", EXE, "run", "--data-dir", self.path("data"), *flags, *arguments],
            env=self.environment, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=give, pass_fds=range(3, 3 + len(sockets)))
        process.pid = process.popen.pid
        process.seen = {process.popen.stdout: b"", process.popen.stderr: b""}
        self.addCleanup(process.stop)
        return process
