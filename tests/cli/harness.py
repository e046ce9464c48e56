# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line share: a fresh directory, a host, and processes with an end."""

import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

EXE = os.environ["BACKPLANE_EXE"]
PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
MODULES = pathlib.Path(os.environ["BACKPLANE_TEST_MODULES"])
FIXTURE = str(MODULES / "cli_fixture.so")
LIMIT = 120  # seconds that anything may take before it counts as hanging


def memory_of(pid, which="VmRSS:"):
    """Bytes: what the process has in memory now, or with "VmHWM:" the most that it had."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) << 10
    raise AssertionError(f"no {which}")


class Process:
    """A running backplane whose stdout and stderr can be read line by line."""

    def __init__(self, arguments, environment, directory):
        self.popen = subprocess.Popen([EXE, *arguments], env=environment, cwd=directory, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self.popen.pid
        self.seen = {self.popen.stdout: b"", self.popen.stderr: b""}

    def wait_line(self, stream, part):
        """Reads on until a line of the stream contains the text; returns that line."""
        deadline = time.monotonic() + LIMIT
        while True:
            *lines, _ = self.seen[stream].split(b"\n")
            for line in lines:
                if part.encode() in line:
                    return line.decode()
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise AssertionError(f"no line with {part!r} within {LIMIT} s; found {self.seen[stream]!r}")
            data = os.read(stream.fileno(), 65536)
            if not data:
                self.popen.wait(LIMIT)
                raise AssertionError(f"no line with {part!r}: ended with {self.popen.returncode}; stdout "
                                     f"{self.seen[self.popen.stdout]!r}, stderr {self.seen[self.popen.stderr]!r}")
            self.seen[stream] += data

    def wait_err(self, part):
        return self.wait_line(self.popen.stderr, part)

    def wait_out(self, part):
        return self.wait_line(self.popen.stdout, part)

    def signal(self, number):
        self.popen.send_signal(number)

    def freeze(self):
        """Stops it with SIGSTOP; returns when none of its threads runs any more."""
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + LIMIT
        while not all(self.stands_still(task) for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()):
            if time.monotonic() > deadline:
                raise AssertionError("it runs on after SIGSTOP")
            time.sleep(0.001)

    @staticmethod
    def stands_still(task):
        try:
            return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
        except (FileNotFoundError, ProcessLookupError):  # that thread has ended
            return True

    def end(self):
        """Waits for its end; returns (exit code, stdout, stderr)."""
        out, err = self.popen.communicate(timeout=LIMIT)
        return (self.popen.returncode, (self.seen[self.popen.stdout] + out).decode(),
                (self.seen[self.popen.stderr] + err).decode())

    def stop(self):
        if self.popen.poll() is None:
            self.signal(signal.SIGKILL)
        self.popen.communicate()


class Case(unittest.TestCase):
    """A case with a directory of its own, which holds the socket and the data."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="backplane-cli.", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.socket = self.path("host.sock")
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.dir, "TMPDIR": self.dir, "LANG": "C.UTF-8",
                            "BACKPLANE_SOCKET": self.socket}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, *arguments):
        process = Process(arguments, self.environment, self.dir)
        self.addCleanup(process.stop)
        return process

    def bp(self, *arguments, stdin=b"", code=0):
        """Runs a command to its end, checks its exit code, returns (stdout, stderr)."""
        done = subprocess.run([EXE, *arguments], env=self.environment, cwd=self.dir, input=stdin,
                              capture_output=True, timeout=LIMIT)
        out, err = done.stdout.decode(errors="surrogateescape"), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{arguments}\nstdout: {out}\nstderr: {err}")
        return out, err

    def bp_json(self, *arguments):
        return json.loads(self.bp(*arguments, "--json")[0])

    def refused(self, code, *arguments, **options):
        """Runs a command that must fail with the code and say why on stderr alone; returns stderr."""
        out, err = self.bp(*arguments, code=code, **options)
        self.assertEqual(out, "")
        self.assertRegex(err, "(?m)^backplane: ")
        return err

    def host(self, *arguments, modules=(FIXTURE,)):
        """A host that is ready, with these modules and no other."""
        flags = [flag for module in modules for flag in ("--module", str(module))]
        if not modules:  # nor the bundled ones
            os.makedirs(self.path("no-modules"), exist_ok=True)
            flags = ["--module-dir", self.path("no-modules")]
        process = self.spawn("run", "--data-dir", self.path("data"), *flags, *arguments)
        process.wait_err("ready on")
        return process

    def eventually(self, what, condition):
        """Asks again and again until the condition holds."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)

    def context(self):
        """What the host's status says of its one context."""
        return self.bp_json("status")["contexts"][0]

    def assert_ends(self, process, code):
        found, out, err = process.end()
        self.assertEqual(found, code, f"stdout: {out}\nstderr: {err}")
        return out, err
