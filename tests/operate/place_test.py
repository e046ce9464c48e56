# SPDX-License-Identifier: Apache-2.0
"""The places of a host: its socket, its lock and its data directory, and who else may have them."""

import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from harness import EXE, LIMIT, PLUGINS, Case
from raw_client import RawClient

MODULES = (PLUGINS / "echo.so", PLUGINS / "timer.so")


class Socket(Case):
    def test_a_socket_that_somebody_removed_is_made_again(self):
        process = self.host(modules=MODULES)
        client = RawClient(self.socket)
        for number in (1, 2, 3):
            os.unlink(self.socket)
            self.eventually("it is there again", lambda: os.path.exists(self.socket))
            self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o600)
            self.bp("call", "echo.version", "{}")
            client.call(number, "echo.raw", b"x")
            self.assertEqual(client.read()[3], b"x", "who was connected stays so")
        client.close()
        self.assertRegex(process.wait_err("is made again"),
                         rf'warn server: somebody has removed the socket "{self.socket}" or its lock file')
        self.bp("stop")
        self.assertEqual(process.end()[0], 0)
        self.assertFalse(os.path.exists(self.socket))
        self.assertFalse(os.path.exists(self.socket + ".lock"))

    def test_a_socket_that_was_replaced_or_moved_is_made_again(self):
        process = self.host(modules=MODULES)
        os.rename(self.socket, self.path("moved"))
        self.eventually("it is there again", lambda: os.path.exists(self.socket))
        self.bp("ls")
        # Something that is not a socket is not replaced; the host says so, and tries again.
        self.write("text", "precious")
        os.rename(self.path("text"), self.socket)
        process.wait_err("exists and is not a socket")
        self.assertEqual(pathlib.Path(self.socket).read_text(), "precious")
        os.unlink(self.socket)
        self.eventually("it is there again", lambda: os.path.exists(self.socket))
        self.bp("ls")
        self.bp("stop")
        _, _, err = process.end()
        self.assertEqual(err.count("exists and is not a socket"), 1)

    def test_the_folder_of_the_socket_is_made_again_with_the_lock(self):
        folder = self.path("run")
        self.socket = self.environment["BACKPLANE_SOCKET"] = os.path.join(folder, "s")
        self.host(modules=MODULES)
        # Out of the way first: the host makes its files again while they are removed one by one.
        os.rename(folder, self.path("removed"))
        shutil.rmtree(self.path("removed"))
        self.eventually("it is there again", lambda: os.path.exists(self.socket) and os.path.exists(self.socket + ".lock"))
        self.bp("ls")
        other = self.refused(2, "run", "--data-dir", self.path("other"), "--module", str(MODULES[0]))
        self.assertIn("another host", other)
        os.rename(folder, self.path("moved"))
        self.eventually("it is there again", lambda: os.path.exists(self.socket))
        self.bp("ls")

    def test_the_lock_is_made_again_and_another_hosts_lock_is_left_alone(self):
        process = self.host(modules=MODULES)
        os.unlink(self.socket + ".lock")
        self.eventually("it is there again", lambda: os.path.exists(self.socket + ".lock"))
        self.assertEqual(pathlib.Path(self.socket + ".lock").read_text(), f"{process.pid}\n")

    def test_an_idle_host_does_not_wake_for_what_else_happens_in_the_folder(self):
        process = self.host(modules=MODULES)
        self.bp("ls")

        def switches():
            found = 0
            for task in os.listdir(f"/proc/{process.pid}/task"):
                status = pathlib.Path(f"/proc/{process.pid}/task/{task}/status").read_text()
                found += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary"))
            return found

        time.sleep(0.5)  # the end of the command's connection
        before = switches()
        for number in range(100):
            os.unlink(self.write(f"file{number}", "x"))
        time.sleep(1.5)  # nothing can be waited for: it is the absence of wake-ups that counts
        self.assertLess(switches() - before, 20)

    def test_commands_say_that_the_host_is_stopping(self):
        process = self.host(modules=MODULES)
        call = self.spawn("call", "timer.echo", '{"message": "x", "delay_ms": 4000}')
        self.eventually("it is open", lambda: self.bp_json("status")["server"]["calls"] == 1)
        process.signal(signal.SIGTERM)
        process.wait_err("stopping")
        for command in (("status",), ("ls",), ("stop",), ("call", "echo.version", "{}")):
            done = subprocess.run([EXE, *command], env=self.environment, capture_output=True, timeout=LIMIT)
            if process.popen.poll() is not None:
                break
            self.assertIn(done.returncode, (1, 3), done)
            self.assertRegex(done.stderr.decode(), "stopping|ending", command)
        self.assertEqual(call.end()[0], 0)
        self.assertEqual(process.end()[0], 0)
        self.assertIn("the socket does not exist", self.refused(3, "status"))


class Lock(Case):
    def refuses(self, what):
        err = self.refused(2, "run", "--data-dir", self.path("data"), "--module", str(MODULES[0]))
        self.assertIn("the lock file", err)
        self.assertIn(what, err)

    def test_the_lock_is_never_written_through_a_link(self):
        lock = self.socket + ".lock"
        victim = self.write("victim", "precious")
        os.symlink(victim, lock)
        self.refuses("is a symbolic link")
        os.unlink(lock)
        os.link(victim, lock)
        self.refuses("has 2 names (hard links)")
        os.unlink(lock)
        os.mkfifo(lock)
        self.refuses("is not a regular file")
        self.assertEqual(pathlib.Path(victim).read_text(), "precious")

    @unittest.skipIf(os.geteuid() != 0, "only root can make a file of somebody else")
    def test_the_lock_of_another_user_is_refused(self):
        lock = self.write("host.sock.lock", "1\n")
        os.chown(lock, 12345, -1)
        self.refuses("belongs to user 12345")
        self.assertEqual(pathlib.Path(lock).read_text(), "1\n")


class DataDirectory(Case):
    def start(self, socket, data):
        return subprocess.run([EXE, "run", "--socket", self.path(socket), "--data-dir", data, "--module",
                               str(MODULES[0])], env=self.environment, cwd=self.dir, capture_output=True,
                              timeout=LIMIT)

    def test_a_second_host_on_the_same_data_directory_is_refused_with_the_pid_of_the_first(self):
        process = self.host(modules=MODULES)
        os.symlink(self.path("data"), self.path("alias"))
        for data in (self.path("data"), self.path("alias"), "data"):
            done = self.start("other.sock", data)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(f"another host (process {process.pid}) uses the data directory", done.stderr.decode())
        self.assertFalse(os.path.exists(self.path("other.sock")))
        self.bp("ls")
        process.signal(signal.SIGKILL)
        process.popen.wait()
        again = self.host(modules=MODULES)  # the lock ended with its process
        self.bp("stop")
        self.assertEqual(again.end()[0], 0)

    def test_its_lock_is_never_written_through_a_link(self):
        os.mkdir(self.path("data"))
        victim = self.write("victim", "precious")
        os.symlink(victim, self.path("data/.backplane.lock"))
        done = self.start("other.sock", self.path("data"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("is a symbolic link", done.stderr.decode())
        self.assertEqual(pathlib.Path(victim).read_text(), "precious")

    def test_a_host_that_is_killed_while_its_child_lives_leaves_no_lock(self):
        process = self.host(modules=(os.environ["BACKPLANE_CHILDREN"],))
        pid = int(self.bp("call", "children.run", "sleep 60 >/dev/null 2>&1 & echo $!", "--raw")[0])
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        process.signal(signal.SIGKILL)
        process.popen.wait()
        self.host(modules=MODULES)

    def test_the_same_if_the_child_is_a_copy_of_the_host(self):
        process = self.host(modules=(os.environ["BACKPLANE_CHILDREN"],))
        pid = int(self.bp("call", "children.fork", "{}", "--raw")[0])
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        process.signal(signal.SIGKILL)
        process.popen.wait()
        again = self.host(modules=MODULES)
        self.bp("stop")
        self.assertEqual(again.end()[0], 0)


class ModuleCache(Case):
    def start(self, *arguments):
        process = self.spawn("run", "--data-dir", self.path("data"), "--module", str(MODULES[0]), *arguments)
        process.wait_err("ready on")
        return process

    def test_the_option_comes_before_the_variable_and_that_before_the_key(self):
        file = self.write("host.toml", 'module_cache = "of-key"\n')
        self.environment["BACKPLANE_MODULE_CACHE"] = self.path("of-variable")
        for arguments, place in ((("--config", file, "--module-cache", "of-option"), "of-option"),
                                 (("--config", file), "of-variable"), (("--config", file), "of-key")):
            if place == "of-key":
                del self.environment["BACKPLANE_MODULE_CACHE"]
            shown = self.bp("run", "--print-config", "--data-dir", "d", "--module", str(MODULES[0]), *arguments)[0]
            self.assertIn(f'module_cache = "{self.path(place)}"  # ', shown)
            self.assertFalse(os.path.exists(self.path(place)))
            process = self.start(*arguments)
            (copies,) = pathlib.Path(self.path(place)).iterdir()
            self.assertEqual([each.name for each in copies.iterdir()], ["echo.g1.1.so"])
            self.assertFalse(list(pathlib.Path(self.dir).glob("backplane-modules-*")), "nothing is in $TMPDIR")
            self.bp("stop")
            self.assertEqual(process.end()[0], 0)
            self.assertFalse(list(pathlib.Path(self.path(place)).iterdir()), "the end removes the copies")

    def test_another_module_cache_needs_a_restart(self):
        file = self.write("host.toml", 'module_cache = "a"\n')
        self.start("--config", file)
        self.write("host.toml", "")
        self.assertIn(f'module_cache: from "{self.path("a")}" to not set', self.bp("reconfigure", code=2)[0])

    def test_one_that_cannot_be_used_is_refused_by_check_and_run(self):
        arguments = ("--data-dir", self.path("data"), "--module", str(MODULES[0]), "--module-cache",
                     self.write("file", "x"))
        self.assertIn("directory for private copies of modules", self.refused(2, "run", "--check-config", *arguments))
        err = self.refused(2, "run", *arguments)
        self.assertIn(f'copies of modules, {self.path("file")}, is not a directory; set module_cache to', err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
