# SPDX-License-Identifier: Apache-2.0
"""Descriptors and signals of a host: how many it may have, what it does without any, and what its children get."""

import os
import pathlib
import resource
import signal
import subprocess
import time
import unittest

from harness import EXE, PLUGINS, Case
from raw_client import RawClient
from soon import SoonCase

CHILDREN = os.environ["BACKPLANE_CHILDREN"]
CLOEXEC = 0o2000000


def flags_of(pid):
    """The flags of each descriptor of the process, by number; and where it leads to."""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = entry.read_text()
            target = os.readlink(f"/proc/{pid}/fd/{entry.name}")
        except FileNotFoundError:
            continue
        found[int(entry.name)] = (int(text.split("flags:")[1].split()[0], 8), target)
    return found


class Inherited(Case):
    def test_no_descriptor_but_the_standard_ones_is_inherited(self):
        process = self.host(modules=(CHILDREN, PLUGINS / "kv.so", PLUGINS / "timer.so"))
        clients = [RawClient(self.socket) for _ in range(3)]
        self.bp("call", "kv.put", '{"key": "a", "value": 1}')
        self.bp("status")
        found = flags_of(process.pid)
        self.assertGreater(len(found), 12)
        self.assertEqual({fd: each for fd, each in found.items() if fd > 2 and not each[0] & CLOEXEC}, {})
        for client in clients:
            client.close()

    def test_clients_learn_of_the_hosts_death_although_a_child_of_a_module_lives_on(self):
        process = self.host(modules=(CHILDREN,))
        pid = int(self.bp("call", "children.run", "sleep 60 >/dev/null 2>&1 & echo $!", "--raw")[0])
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        client = RawClient(self.socket)
        begin = time.monotonic()
        process.signal(signal.SIGKILL)
        self.assertIsNone(client.read())
        self.assertLess(time.monotonic() - begin, 10)
        client.close()

    def test_a_child_of_a_module_can_be_ended_by_signals(self):
        self.host(modules=(CHILDREN,))
        out = self.bp("call", "children.run", "grep SigBlk /proc/self/status", "--raw")[0]
        self.assertEqual(int(out.split()[1], 16), 0)
        out = self.bp("call", "children.run", "sleep 60 & kill $!; wait $!; echo $?", "--raw")[0]
        self.assertEqual(out, "143\n")

    def test_a_child_of_a_module_ignores_no_signal(self):
        self.host(modules=(CHILDREN,))
        out = self.bp("call", "children.run", "grep SigIgn /proc/self/status", "--raw")[0]
        ignored = int(out.split()[1], 16)
        self.assertEqual([number for number in (signal.SIGPIPE, signal.SIGXFSZ) if ignored >> (number - 1) & 1], [])
        self.assertEqual(self.bp("call", "children.run", "yes 2>&1 | head -n 1", "--raw")[0], "y\n")


class Limits(SoonCase):
    def begin(self, soft, hard, config=""):
        """A host with these limits of open files."""
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.process = self.limited("--config", self.write("host.toml", config), preexec_fn=limit)

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        self.begin(256, 300)
        text = pathlib.Path(f"/proc/{self.process.pid}/limits").read_text()
        line = next(each for each in text.splitlines() if each.startswith("Max open files"))
        self.assertEqual(line.split()[3:5], ["300", "300"])

    def test_without_descriptors_operators_are_served_and_the_log_says_it_once(self):
        self.begin(32, 32)
        clients = self.greeted(40)
        self.asks()
        self.assertRegex(self.process.wait_err("no descriptor is left"), r"warn server: no descriptor is left")
        counts = self.counts()
        self.assertGreaterEqual(counts["no_descriptor"], 1)
        # One that is let in without a free descriptor is for management alone, and is told why.
        time.sleep(1)  # many tries: the backlog still has connections
        for client in clients:
            client.close()
        self.eventually("there is room", lambda: self.bp("call", "echo.version", "{}") if self.can_call() else False)
        self.process.wait_err("there are descriptors for connections again")
        self.soon("stop")
        _, _, err = self.process.end()
        self.assertEqual(err.count("no descriptor is left"), 1, err)
        self.assertEqual(err.count("there are descriptors for connections again"), 1, err)

    def test_idle_connections_do_not_take_the_last_descriptors(self):
        self.begin(32, 32)
        self.greeted(200)
        self.asks()
        self.soon("stop")
        self.assertEqual(self.process.end()[0], 0)

    def can_call(self):
        return subprocess.run([EXE, "call", "echo.version", "{}"], env=self.environment,
                              capture_output=True).returncode == 0

    def test_half_open_connections_do_not_take_the_last_descriptors(self):
        self.begin(32, 32)
        waiting = self.half_open(200)
        self.asks()
        self.soon("call", "echo.version", "{}")
        self.soon("stop")
        code, _, err = self.process.end()
        self.assertEqual(code, 0)
        self.assertEqual(len(waiting), 200)
        self.assertEqual(err.count("no descriptor is left"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
