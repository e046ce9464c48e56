# SPDX-License-Identifier: Apache-2.0
"""A host that gets its listening sockets from a service manager."""

import os
import pathlib
import signal
import socket
import stat
import unittest

from raw_client import RawClient
from service_case import MODULES, ServiceCase


class Given(ServiceCase):
    def test_who_connects_before_the_host_starts_is_served(self):
        listening = self.listening(self.socket)
        early = RawClient(self.socket, wait=False)
        early.call(1, "echo.raw", b"early")
        process = self.activated(listening)
        early.wait_hello()
        self.assertEqual(early.read()[3], b"early")
        early.close()
        process.wait_err(f"ready on {self.socket}")
        self.assertEqual(self.bp("call", "echo.raw", "x", "--raw")[0], "x")

    def test_its_file_stays_when_the_host_ends_and_the_next_host_serves_it(self):
        listening = self.listening(self.socket)
        os.chmod(self.socket, 0o600)
        before = os.lstat(self.socket)
        for end in ("stop", signal.SIGTERM, signal.SIGKILL):
            process = self.activated(listening)
            process.wait_err("ready on")
            self.bp("ls")
            self.assertFalse(os.path.exists(self.socket + ".lock"), "nobody else can have the socket")
            self.bp("stop") if end == "stop" else process.signal(end)
            process.end()
            after = os.lstat(self.socket)
            self.assertTrue(stat.S_ISSOCK(after.st_mode))
            self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
        waiting = RawClient(self.socket, wait=False)  # in the queue of the socket, and nobody is there
        waiting.call(1, "echo.raw", b"x")
        self.activated(listening)
        waiting.wait_hello()
        self.assertEqual(waiting.read()[3], b"x")
        waiting.close()

    def test_its_path_is_that_of_the_host_if_nobody_has_chosen_another_one(self):
        del self.environment["BACKPLANE_SOCKET"]
        path = self.path("unit.sock")
        file = self.write("host.toml", 'log_level = "info"\n')
        process = self.activated(self.listening(path), arguments=("--config", file))
        process.wait_err(f"ready on {path}")
        self.assertEqual(self.bp("reconfigure", "--socket", path)[0], "nothing has changed\n")
        self.write("host.toml", f'socket = "{self.path("other.sock")}"\n')
        self.assertIn("socket: from", self.bp("reconfigure", "--socket", path, code=2)[0])

    def test_a_key_of_the_configuration_that_moves_the_socket_needs_a_restart_here_too(self):
        del self.environment["BACKPLANE_SOCKET"]
        path = self.path("unit.sock")
        file = self.write("host.toml", f'socket = "{path}"\n')
        self.activated(self.listening(path), arguments=("--config", file)).wait_err("ready on")
        self.write("host.toml", 'socket = "other.sock"\n')
        self.assertIn("socket: from", self.bp("reconfigure", "--socket", path, code=2)[0])

    def test_further_sockets_are_found_by_their_paths_and_have_their_roles(self):
        watch = self.path("watch.sock")
        file = self.write("host.toml", '[[listen]]\npath = "watch.sock"\nmay = ["observe"]\n'
                                       '[[listen]]\npath = "own.sock"\nmay = ["call"]\n')
        given = self.listening(watch)
        os.chmod(watch, 0o640)
        process = self.activated(given, self.listening(self.socket), arguments=("--config", file))
        process.wait_err("ready on")
        self.bp("ls", "--socket", watch)
        self.assertIn("not_permitted", self.refused(1, "call", "echo.version", "{}", "--socket", watch))
        self.bp("call", "echo.version", "{}", "--socket", self.path("own.sock"))
        self.bp("call", "echo.version", "{}")
        self.bp("stop")
        self.assert_ends(process, 0)
        self.assertTrue(os.path.exists(watch))
        self.assertEqual(os.stat(watch).st_mode & 0o777, 0o640, "its mode is the manager's")
        self.assertFalse(os.path.exists(self.path("own.sock")))

    def test_a_further_socket_alone_may_be_given(self):
        watch = self.path("watch.sock")
        file = self.write("host.toml", '[[listen]]\npath = "watch.sock"\nmay = ["observe"]\n')
        process = self.activated(self.listening(watch), arguments=("--config", file))
        process.wait_err(f"ready on {self.socket}")
        self.bp("ls", "--socket", watch)
        self.bp("ls")
        self.bp("stop")
        self.assert_ends(process, 0)
        self.assertFalse(os.path.exists(self.socket))

    def test_a_lock_that_another_host_left_does_not_matter(self):
        self.write("host.sock.lock", "1 stopping\n")
        process = self.activated(self.listening(self.socket))
        process.wait_err("ready on")
        self.assertEqual(pathlib.Path(self.socket + ".lock").read_text(), "1 stopping\n")

    def test_a_host_by_hand_beside_it_is_refused(self):
        self.activated(self.listening(self.socket)).wait_err("ready on")
        self.assertIn("another host", self.refused(2, "run", "--data-dir", self.path("other"), "--module",
                                                   str(MODULES[0])))

    def test_programs_of_modules_get_neither_the_sockets_nor_the_variables(self):
        self.activated(self.listening(self.socket), modules=(os.environ["BACKPLANE_CHILDREN"],)).wait_err("ready on")
        found = self.bp("call", "children.run", "env; ls -l /proc/self/fd", "--raw")[0]
        self.assertNotIn("LISTEN_", found)
        self.assertNotIn("socket:", found)


class Refused(ServiceCase):
    def refuses(self, *sockets, said, **options):
        code, out, err = self.activated(*sockets, **options).end()
        self.assertEqual((code, out), (2, ""), err)
        self.assertIn(said, err)

    def test_what_is_no_unix_stream_socket_that_listens(self):
        with open("/dev/null", "rb") as file:
            self.refuses(file, said="descriptor 3 of the service manager: found a file that is not a socket")
        with socket.socket(socket.AF_INET) as found:
            self.refuses(found, said="found a socket of another family than Unix")
        self.refuses(self.listening(self.path("d"), socket.SOCK_DGRAM, listens=False),
                     said="found a Unix socket of another type than stream")
        self.refuses(self.listening(self.path("s"), listens=False), said="found a socket that does not listen")
        self.refuses(self.listening("\0" + self.path("a")), said="found a socket with an abstract name")
        self.refuses(self.listening(self.socket), count=2, said="descriptor 4 of the service manager: found no open file")
        self.refuses(count="many", said='$LISTEN_FDS: found "many"')
        self.refuses(count=-1, said='$LISTEN_FDS: found "-1"')

    def test_a_socket_that_has_no_place(self):
        self.refuses(self.listening(self.path("x")), said="is neither the socket of this host")
        self.refuses(self.listening(self.socket), self.listening(self.path("y")),
                     said=f'passes the socket "{self.path("y")}"')
        self.assertFalse(os.path.exists(self.path("data")), "nothing was made")

    def test_sockets_for_another_process_are_left_alone(self):
        other = self.listening(self.path("x"))
        process = self.activated(other, pid=1)
        process.wait_err(f"ready on {self.socket}")
        self.bp("ls")
        self.bp("stop")
        self.assert_ends(process, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
