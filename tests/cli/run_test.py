# SPDX-License-Identifier: Apache-2.0
"""The host as a process: how it starts, what it refuses, how it ends, what stays."""

import fcntl
import json
import os
import pty
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import termios
import time
import unittest

from harness import FIXTURE, EXE, MODULES, PLUGINS, Case, Process


class Start(Case):
    def test_one_line_says_when_it_is_ready(self):
        host = self.host()
        line = host.wait_err("ready on")
        self.assertRegex(line, rf"^\S+ info run: ready on {self.socket}, 1 module, pid {host.pid}$")
        status = self.bp_json("status")
        self.assertEqual((status["pid"], status["modules"]), (host.pid, 1))

    def test_the_socket_is_the_users_alone(self):
        self.host()
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)

    def test_the_default_socket_lies_in_a_folder_of_the_users_alone(self):
        del self.environment["BACKPLANE_SOCKET"]
        self.host()
        folder = self.path(f"backplane-{os.geteuid()}")
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        self.assertTrue(stat.S_ISSOCK(os.stat(folder + "/backplane.sock").st_mode))
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')

    def test_a_socket_folder_that_is_open_to_others_is_refused(self):
        del self.environment["BACKPLANE_SOCKET"]
        os.mkdir(self.path(f"backplane-{os.geteuid()}"))
        os.chmod(self.path(f"backplane-{os.geteuid()}"), 0o755)
        err = self.refused(2, "run", "--module", FIXTURE, "--data-dir", self.path("data"))
        self.assertIn("open to others (mode 0755)", err)
        self.assertIn("expected", err)

    def test_the_bundled_modules_are_loaded_when_nothing_is_named(self):
        self.spawn("run", "--data-dir", self.path("data")).wait_err("ready on")
        names = {module["name"] for module in self.bp_json("ls")["modules"]}
        self.assertEqual(names, {path.stem for path in PLUGINS.glob("*.so")})

    def test_a_directory_of_modules_is_loaded_whole(self):
        os.mkdir(self.path("modules"))
        shutil.copy(FIXTURE, self.path("modules/anything.so"))
        self.write("modules/readme.txt", "not a module")
        self.spawn("run", "--data-dir", self.path("data"), "--module-dir", self.path("modules")).wait_err("ready on")
        self.assertEqual([module["name"] for module in self.bp_json("ls")["modules"]], ["cli_fixture"])

    def test_the_file_configures_and_flags_and_environment_win_over_it(self):
        file = self.write("host.toml", f'''
socket = "file.sock"
data_dir = "file-data"
log_level = "off"
[modules.cli_fixture]
path = "{FIXTURE}"
[modules.cli_fixture.config]
legs = 4
round = false
height = 0.75
since = 2024-02-29T12:30:00Z
colours = ["red", "blue"]
[modules.chair]
load = false
''')
        self.environment["BACKPLANE_LOG_LEVEL"] = "info"
        host = self.spawn("run", "--config", file, "--data-dir", self.path("flag-data"))
        host.wait_err(f"ready on {self.socket}")
        self.assertEqual(json.loads(self.bp("call", "cli_fixture.config")[0]),
                         {"legs": 4, "round": False, "height": 0.75, "since": "2024-02-29T12:30:00Z",
                          "colours": ["red", "blue"]})
        self.assertTrue(os.path.isdir(self.path("flag-data")))
        self.assertFalse(os.path.exists(self.path("file-data")))

    def test_the_files_own_paths_are_relative_to_its_folder(self):
        del self.environment["BACKPLANE_SOCKET"]
        os.mkdir(self.path("etc"))
        shutil.copy(FIXTURE, self.path("etc/cli_fixture.so"))
        file = self.write("etc/host.toml", 'socket = "s.sock"\ndata_dir = "d"\n[modules.cli_fixture]\npath = "cli_fixture.so"\n')
        self.spawn("run", "--config", file).wait_err("ready on " + self.path("etc/s.sock"))
        self.assertTrue(os.path.isdir(self.path("etc/d")))


class Refusals(Case):
    def run_refused(self, code, *arguments):
        return self.refused(code, "run", "--data-dir", self.path("data"), *arguments)

    def test_a_refused_module_ends_it_with_5_before_it_serves(self):
        for file, part in [(self.write("text.so", "no ELF"), "text.so"), (self.path("nowhere.so"), "nowhere.so"),
                           (str(MODULES / "cli_fixture_fails.so"), "no legs are given")]:
            self.assertIn(part, self.run_refused(5, "--module", file))
            self.assertFalse(os.path.exists(self.socket))

    def test_a_limit_of_file_sizes_is_told_and_ends_nothing_by_a_signal(self):
        done = subprocess.run(["prlimit", "--fsize=8192", EXE, "run", "--data-dir", self.path("data"), "--module",
                               str(PLUGINS / "echo.so")], env=self.environment, cwd=self.dir, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn(b"echo.so", done.stderr)

    def test_a_directory_with_a_file_that_is_no_module_is_refused(self):
        os.mkdir(self.path("modules"))
        self.write("modules/text.so", "no ELF")
        self.assertIn("text.so", self.run_refused(5, "--module-dir", self.path("modules")))

    def test_two_files_of_one_module_are_refused(self):
        err = self.run_refused(5, "--module", FIXTURE, "--module", str(MODULES / "cli_fixture_2.so"))
        self.assertIn('are both the module "cli_fixture"', err)

    def test_a_second_host_on_the_socket_is_refused_with_the_pid_of_the_first(self):
        first = self.host()
        err = self.run_refused(2, "--module", FIXTURE)
        self.assertIn(f"another host (pid {first.pid}) serves {self.socket}", err)
        self.assertIn("--socket", err)
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')
        self.spawn("run", "--data-dir", self.path("other-data"), "--module", FIXTURE, "--socket", self.path("other.sock")).wait_err(
            "ready on")

    def test_a_file_in_the_sockets_place_is_not_touched(self):
        self.write("host.sock", "precious")
        self.assertIn(self.socket, self.run_refused(2, "--module", FIXTURE))
        with open(self.socket, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")

    def test_a_socket_path_that_is_too_long_is_refused(self):
        self.assertIn("at most 107", self.run_refused(2, "--module", FIXTURE, "--socket", self.path("x" * 120)))
        self.assertIn("at most 107", self.refused(2, "ls", "--socket", self.path("x" * 120)))

    def test_a_data_directory_that_cannot_be_written_is_refused(self):
        self.write("file", "")
        err = self.refused(2, "run", "--module", FIXTURE, "--data-dir", self.path("file/data"))
        self.assertIn("data directory", err)
        self.assertIn("--data-dir", err)
        self.assertIn("Not a directory", self.refused(2, "run", "--module", FIXTURE, "--data-dir", self.path("file")))
        if os.geteuid() != 0:
            os.mkdir(self.path("locked"), 0o500)
            self.assertIn("Permission denied",
                          self.refused(2, "run", "--module", FIXTURE, "--data-dir", self.path("locked")))
        self.assertFalse(os.path.exists(self.socket))

    def test_a_stranger_on_the_socket_is_no_host(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.socket)
            listener.listen()
            listener.settimeout(60)
            client = self.spawn("ls")
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                self.assert_ends(client, 3)


class End(Case):
    def test_sigterm_and_ctrl_c_drain_and_end_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            host = self.host()
            host.signal(number)
            self.assert_ends(host, 0)
            self.assertFalse(os.path.exists(self.socket))

    def test_stop_ends_it_and_waits_until_it_has(self):
        host = self.host()
        self.assertEqual(self.bp_json("stop"), {"outcome": "stopped", "pid": host.pid})
        self.assertEqual(host.popen.wait(5), 0)
        self.refused(3, "stop")

    @unittest.skipUnless((PLUGINS / "timer.so").exists(), "timer is not built")
    def test_an_open_call_is_answered_before_the_host_ends(self):
        host = self.host(modules=[PLUGINS / "timer.so"])
        call = self.spawn("call", "timer.echo", '{"message": "late", "delay_ms": 700}')
        self.eventually("the call runs", lambda: self.context()["running"] == 1)
        host.signal(signal.SIGTERM)
        self.assertIn("late", self.assert_ends(call, 0)[0])
        self.assert_ends(host, 0)

    def on_terminal(self, *command):
        """Starts a command whose controlling terminal is the second value."""
        ours, theirs = pty.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        process = Process.__new__(Process)
        process.popen = subprocess.Popen(command, env=self.environment, cwd=self.dir, stdin=theirs,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=take_terminal)
        process.pid = process.popen.pid
        process.seen = {process.popen.stdout: b"", process.popen.stderr: b""}
        os.close(theirs)
        self.addCleanup(process.stop)
        process.wait_err("ready on")
        return process, ours

    def test_a_terminal_that_goes_away_drains_it_too_but_not_under_nohup(self):
        run = (EXE, "run", "--data-dir", self.path("data"), "--module", FIXTURE)
        host, terminal = self.on_terminal(*run)
        host.signal(signal.SIGHUP)  # the terminal is still there
        host.wait_err("reconfigure for SIGHUP")
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')
        os.close(terminal)
        self.assertIn("stopping: SIGHUP", self.assert_ends(host, 0)[1])
        # The host is a job of a shell, which passes the signal on.
        shell = f"trap 'kill -HUP $!' HUP; {shlex.join(run)} & wait; wait"
        host, terminal = self.on_terminal("/bin/sh", "-c", shell)
        os.close(terminal)
        self.assertIn("stopping: SIGHUP", self.assert_ends(host, 0)[1])
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; children inherit it
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        host = self.host()
        host.signal(signal.SIGHUP)
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')
        host.signal(signal.SIGTERM)
        self.assert_ends(host, 0)

    def test_while_a_host_drains_no_other_takes_its_place(self):
        host = self.host()
        events = self.spawn("events", "cli_fixture.said")
        events.wait_err("listening to")
        self.spawn("call", "cli_fixture.wait")
        events.wait_out("cli_fixture.said")
        host.signal(signal.SIGTERM)
        self.eventually("the socket goes", lambda: not os.path.exists(self.socket))
        err = self.refused(2, "run", "--data-dir", self.path("data"), "--module", FIXTURE)
        self.assertIn(f"process {host.pid}, which served", err)
        self.assertIn("is stopping; wait for it", err)
        self.assertIn("is stopping; wait for its end", self.refused(3, "status"))
        stop = self.spawn("stop")
        stop.wait_err(f"the host (pid {host.pid}) is stopping already")
        self.assertEqual(json.loads(self.bp("stop", "--timeout", "0", "--json")[0]),
                         {"outcome": "stopping", "pid": host.pid})
        self.signal_until_it_ends(host)
        self.assertEqual(self.assert_ends(stop, 0)[0], f"stopped the host (pid {host.pid}) on {self.socket}\n")
        self.assert_ends(host, 130)
        self.host()

    def test_a_second_signal_does_not_wait_for_open_calls(self):
        host = self.host()
        events = self.spawn("events", "cli_fixture.said")
        events.wait_err("listening to")
        call = self.spawn("call", "cli_fixture.wait")
        events.wait_out("cli_fixture.said")
        host.signal(signal.SIGTERM)
        host.wait_err("stopping")
        self.signal_until_it_ends(host)
        self.assert_ends(host, 130)
        self.assert_ends(call, 3)

    def signal_until_it_ends(self, host):
        """A signal within 200 ms of the first is the same one; so this sends more of them."""
        begin = time.monotonic()

        def ended():
            host.signal(signal.SIGTERM)
            return host.popen.poll() is not None
        self.eventually("another signal ends it", ended)
        self.assertLess(time.monotonic() - begin, 4)  # before the drain is over

    @unittest.skipUnless((PLUGINS / "timer.so").exists(), "timer is not built")
    def test_a_second_signal_at_once_is_the_same_request(self):
        host = self.host(modules=[PLUGINS / "timer.so"])
        call = self.spawn("call", "timer.echo", '{"message": "late", "delay_ms": 700}')
        self.eventually("the call runs", lambda: self.context()["running"] == 1)
        host.signal(signal.SIGINT)
        host.signal(signal.SIGTERM)
        self.assertIn("late", self.assert_ends(call, 0)[0])
        self.assert_ends(host, 0)

    @unittest.skipIf("TSAN_OPTIONS" in os.environ, "ThreadSanitizer defers a signal while read() waits")
    def test_a_signal_ends_it_while_it_reads_its_configuration(self):
        fifo = self.path("host.toml")
        os.mkfifo(fifo)
        host = self.spawn("run", "--config", fifo, "--data-dir", self.path("data"))
        writer = os.open(fifo, os.O_WRONLY)  # it has opened the file when this returns, and now waits for its content
        self.addCleanup(os.close, writer)
        host.signal(signal.SIGTERM)
        self.assert_ends(host, 0)
        self.assertFalse(os.path.exists(self.path("data")))

    def test_a_signal_ends_it_while_a_module_does_not_come_to_the_end_of_its_start(self):
        host = self.spawn("run", "--data-dir", self.path("data"), "--module", str(MODULES / "cli_fixture_hangs.so"))
        host.wait_err("its init hangs")
        host.signal(signal.SIGTERM)
        self.assertIn("a module has not returned from its start", self.assert_ends(host, 1)[1])

    def test_a_stale_socket_of_a_killed_host_is_replaced(self):
        host = self.host()
        host.signal(signal.SIGKILL)
        self.assert_ends(host, -signal.SIGKILL)
        self.assertTrue(os.path.exists(self.socket))
        self.refused(3, "ls")
        self.host()
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')

    def test_standard_descriptors_that_are_closed_go_to_no_socket_or_file(self):
        host = subprocess.Popen([EXE, "run", "--data-dir", self.path("data"), "--module", FIXTURE], env=self.environment,
                                preexec_fn=lambda: os.closerange(0, 3))
        self.addCleanup(host.kill)
        self.eventually("the host listens", lambda: os.path.exists(self.socket))
        self.eventually("it answers", lambda: subprocess.run([EXE, "call", "cli_fixture.version"], env=self.environment,
                                                             capture_output=True).returncode == 0)
        for fd in range(3):
            self.assertEqual(os.readlink(f"/proc/{host.pid}/fd/{fd}"), "/dev/null")
        host.terminate()
        self.assertEqual(host.wait(60), 0)

    def test_it_goes_on_when_nobody_reads_its_stderr(self):
        host = self.host()
        host.popen.stderr.close()
        self.bp("load", self.write("text.so", ""), code=5)
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')
        host.signal(signal.SIGTERM)
        self.assertEqual(host.popen.wait(60), 0)

    @unittest.skipUnless((PLUGINS / "kv.so").exists(), "kv is not built")
    def test_what_kv_has_acknowledged_survives_kill_9_of_the_host(self):
        host = self.host(modules=[PLUGINS / "kv.so"])
        for n in range(20):
            self.bp("call", "kv.put", json.dumps({"key": f"k{n}", "value": n}))
        host.signal(signal.SIGKILL)
        host.end()
        self.host(modules=[PLUGINS / "kv.so"])
        for n in range(20):
            self.assertEqual(json.loads(self.bp("call", "kv.get", json.dumps({"key": f"k{n}"}))[0])["value"], n)


class Fibers(Case):
    def configured(self, text):
        self.host("--config", self.write("host.toml", text), modules=[PLUGINS / "generator.so"])

    def chain(self, stages, **options):
        return self.bp("call", "generator.chain", json.dumps({"stages": stages, "values": [1]}), **options)

    def test_without_a_word_handlers_have_256_kib_and_many_fibers(self):
        self.configured("")
        self.assertEqual(self.chain(20)[0], '{"values":[21]}\n')
        self.assertEqual([stacks["size"] for stacks in self.bp_json("status")["stacks"]], [65536, 262144])

    def test_the_file_says_how_much_stack_handlers_have(self):
        self.configured("fiber_stack_size = 524288\n")
        self.chain(20)
        self.assertEqual([stacks["size"] for stacks in self.bp_json("status")["stacks"]], [65536, 524288])

    def test_large_stacks_are_shown_in_mib(self):
        self.configured("fiber_stack_size = 16777216\n")
        self.chain(5)
        self.assertRegex(self.bp("status")[0], r"(?m)^16\.0 MiB +\d+ +\d+ +\d+ KiB ")

    def test_the_file_bounds_the_fibers_of_a_run(self):
        self.configured("fiber_limit = 10\n")
        self.chain(5)
        self.assertIn("fiber_limit", self.chain(20, code=1)[1])

    def test_the_file_switches_fibers_off(self):
        self.configured("fiber_limit = -1\n")
        self.assertIn("not_supported", self.chain(5, code=1)[1])


class Crash(Case):
    def test_a_stack_overflow_ends_it_with_a_line_that_names_the_fiber(self):
        host = self.host(modules=(os.path.join(os.environ["BACKPLANE_BROKEN_MODULES"], "overflows.so"),))
        err = self.refused(3, "call", "overflows.fiber", "--raw")
        self.assertIn("connection", err)
        code, _, err = host.end()
        lines = [line for line in err.splitlines() if "stack overflow" in line]
        self.assertEqual(len(lines), 1, err)
        self.assertRegex(lines[0], r'^backplane: stack overflow in fiber 2 of "overflows.fiber" of the module "overflows": '
                                   r"its stack of 32768 bytes .*bp_fiber_desc\.stack_size")
        self.assertNotEqual(code, 0)  # of SIGSEGV, or as a sanitizer has it


if __name__ == "__main__":
    unittest.main(verbosity=2)
