# SPDX-License-Identifier: Apache-2.0
"""Further sockets of a host, each with a mode, a group and roles."""

import grp
import json
import os
import subprocess
import unittest

from harness import EXE, LIMIT, PLUGINS
from raw_client import CALL, LISTEN, REPLY, RESOLVE, RawClient
from soon import SoonCase

ECHO = str(PLUGINS / "echo.so")
NOT_PERMITTED = 46
OWNER = 12346
CALLS = (("call", "echo.version", "{}"),)
LOOKS = (("ls",), ("status",), ("log",))
CHANGES = (("unload", "echo"), ("load", ECHO), ("reload", "echo"), ("log", "info"))


class Roles(SoonCase):
    def begin(self, *sections):
        os.mkdir(self.path("run"), 0o755)
        config = "".join(f'[[listen]]\npath = "run/{name}"\n{rest}\n' for name, rest in sections)
        self.process = self.host("--config", self.write("host.toml", config), modules=(ECHO, PLUGINS / "timer.so"))

    def at(self, name):
        return self.path(os.path.join("run", name))

    def run_at(self, name, *command):
        return subprocess.run([EXE, *command, "--socket", self.at(name)], env=self.environment, cwd=self.dir,
                              capture_output=True, timeout=LIMIT)

    def test_each_role_allows_its_own_actions_and_names_what_is_missing(self):
        self.begin(("call", 'may = ["call"]'), ("observe", 'may = ["observe"]'), ("manage", 'may = ["manage"]'),
                   ("two", 'may = ["call", "observe"]'), ("all", ""))
        allowed = {"call": CALLS, "observe": LOOKS, "manage": LOOKS + CHANGES, "two": CALLS + LOOKS,
                   "all": CALLS + LOOKS + CHANGES}
        for name, commands in allowed.items():
            for command in CALLS + LOOKS + CHANGES:
                if command[0] == "unload" and command in commands:  # it would be missing afterwards
                    continue
                done = self.run_at(name, *command)
                if command[0] == "load" and command in commands:
                    self.assertEqual(done.returncode, 5)  # it is loaded already: the action itself was allowed
                elif command in commands:
                    self.assertEqual(done.returncode, 0, (name, command, done))
                else:
                    self.assertNotEqual(done.returncode, 0, (name, command))
                    err = done.stderr.decode()
                    self.assertIn("not_permitted", err)
                    self.assertIn("needs the role", err)
                    self.assertIn({"two": "this socket has call, observe"}.get(name, f"this socket has {name}"), err)
        self.assertIn('"status" needs the role observe or manage; this socket has call; use another socket of this host',
                      self.run_at("call", "status").stderr.decode())
        self.assertEqual(self.run_at("call", "status").returncode, 1)
        for name in ("call", "observe", "two"):
            self.assertNotEqual(self.run_at(name, "stop").returncode, 0)
        self.assertEqual(self.run_at("manage", "stop").returncode, 0)
        self.assertEqual(self.process.end()[0], 0)
        self.assertEqual(os.listdir(self.path("run")), [], "sockets and locks go with the host")

    def test_events_and_resolving_need_their_roles(self):
        self.begin(("call", 'may = ["call"]'), ("observe", 'may = ["observe"]'))
        caller, observer = RawClient(self.at("call")), RawClient(self.at("observe"))
        self.addCleanup(caller.close)
        self.addCleanup(observer.close)
        caller.send([RESOLVE, 1, "echo.raw"])
        self.assertEqual(caller.read()[:3], [REPLY, 1, 0])
        caller.send([LISTEN, 2, 1, "*"])
        self.assertEqual(caller.read()[:3], [REPLY, 2, NOT_PERMITTED])
        observer.send([LISTEN, 1, 1, "*"])
        self.assertEqual(observer.read()[:3], [REPLY, 1, 0])
        observer.send([RESOLVE, 2, "echo.raw"])
        self.assertEqual(observer.read()[:3], [REPLY, 2, NOT_PERMITTED])
        # In the usual form of a call and in an unusual one.
        for number, more in ((3, []), (4, [1, 1])):
            observer.send([CALL, number, "echo.raw", b"x", 0, 0, *more])
            self.assertEqual(observer.read()[:3], [REPLY, number, NOT_PERMITTED])

    def test_providing_and_expecting_need_the_role_call(self):
        self.begin(("call", 'may = ["call"]'), ("look", 'may = ["observe", "manage"]'))
        for name, statuses in (("call", [0, 0, 0]), ("look", [NOT_PERMITTED] * 3)):
            client = RawClient(self.at(name))
            self.addCleanup(client.close)
            client.send([25, 1, 0, "app.f"])
            client.send([26, 2, "app.f"])
            client.send([24, 3, "echo", "0"])
            seen = dict(client.read()[1:3] for _ in range(3))
            self.assertEqual([seen[number] for number in (1, 2, 3)], statuses)

    def test_lossless_listeners_need_the_role_manage_and_the_key(self):
        self.begin(("observe", 'may = ["observe"]'), ("both", 'may = ["observe", "manage"]'))
        for name, status in (("observe", NOT_PERMITTED), ("both", 21)):
            client = RawClient(self.at(name))
            client.send([LISTEN, 1, 1, "*", 2])
            self.assertEqual(client.read()[:3], [REPLY, 1, status])
            client.close()

    @unittest.skipIf(os.geteuid() != 0, "needs two users")
    def test_the_mode_and_the_group_of_the_file_decide_who_may_connect(self):
        group = next(each for each in grp.getgrall() if each.gr_gid != 0)
        os.mkdir(self.path("run"), 0o755)
        for path in (self.dir, self.path("run")):
            os.chmod(path, 0o755)
            os.chown(path, OWNER, OWNER)
        config = self.write("host.toml", f'''
            [[listen]]
            path = "run/ours"
            mode = 0o660
            group = "{group.gr_name}"
            may = ["call"]
            [[listen]]
            path = "run/own"''')

        def become_owner():
            os.setgroups([group.gr_gid])
            os.setgid(OWNER)
            os.setuid(OWNER)

        self.limited("--config", config, modules=(ECHO,), preexec_fn=become_owner)
        info = os.stat(self.at("ours"))
        self.assertEqual((info.st_mode & 0o777, info.st_gid), (0o660, group.gr_gid))

        def by(name, groups):
            return subprocess.run([EXE, "call", "echo.version", "{}", "--socket", self.at(name)],
                                  env=self.environment, cwd="/", capture_output=True, timeout=LIMIT,
                                  user=12345, group=12345, extra_groups=groups)

        member = by("ours", [group.gr_gid])
        self.assertEqual(member.returncode, 0, member)
        for name, groups in (("ours", []), ("own", [group.gr_gid])):
            other = by(name, groups)
            self.assertEqual(other.returncode, 3)
            self.assertIn("may not open the socket", other.stderr.decode())
        # A folder where others may write could have another socket there: the command does not trust it.
        os.chmod(self.path("run"), 0o777)
        self.assertIn("a folder where only that user may write", by("ours", [group.gr_gid]).stderr.decode())

    def test_wrong_sections_are_refused_with_their_place(self):
        for section, expected in (
                ('mode = 0o660', "host.toml:1:1: listen: found a table without one, expected a path"),
                ('path = "a"\nmode = 0o1777', "host.toml:3:8: mode: found 1023, expected a mode such as 0o660, at most 0o777"),
                ('path = "a"\ngroup = "no such group"', 'host.toml:3:9: listen.group: found "no such group", expected the'),
                ('path = "a"\nmay = []', "host.toml:3:7: listen.may: found an empty array, expected an array of"),
                ('path = "a"\nmay = ["reign"]', 'host.toml:3:8: listen.may: found "reign", expected an array of'),
                ('path = "a"\nroles = ["call"]', 'host.toml:3:1: unknown key "roles" in listen'),
                ('path = "host.sock"', "which another socket of this host has; expected another path"),
                (f'path = "{"x" * 200}"', "expected at most 107")):
            with self.subTest(section):
                file = self.write("host.toml", f"[[listen]]\n{section}\n")
                for check in ((), ("--check-config",)):
                    self.assertIn(expected, self.refused(2, "run", "--config", file, "--data-dir", self.path("data"),
                                                         "--module", ECHO, *check))

    def test_a_removed_socket_of_these_is_made_again_with_its_mode(self):
        self.begin(("call", 'mode = 0o666\nmay = ["call"]'))
        os.unlink(self.at("call"))
        self.eventually("it is there again", lambda: os.path.exists(self.at("call")))
        self.eventually("it has its mode", lambda: os.stat(self.at("call")).st_mode & 0o777 == 0o666)
        self.assertEqual(self.run_at("call", "status").returncode, 1)
        json.loads(self.run_at("call", "call", "echo.version", "{}").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
