# SPDX-License-Identifier: Apache-2.0
"""Runs a transcript program, and compares its lines with expected.txt and killed.txt. See README.md."""
import difflib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ("echo", "timer", "kv", "session", "generator")


class Host:
    """A host with the five modules and with those of further files, on a socket of its own."""

    def __init__(self, build, *files):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bp-transcript-"))
        self.socket = self.dir / "s"
        self.log = open(self.dir / "log", "w+", encoding="utf-8")
        files = [*(f"{build}/plugins/{name}.so" for name in MODULES), *files]
        modules = [part for file in files for part in ("--module", str(file))]
        self.process = subprocess.Popen([f"{build}/bin/backplane", "run", "--socket", self.socket, "--data-dir",
                                         self.dir / "data", *modules], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            self.log.write(line)
            if "run: ready on" in line:
                break
        else:
            self.log.seek(0)
            raise AssertionError("the host does not start:\n" + self.log.read())
        # From here on nobody reads its log, which a pipe may hold up.
        self.drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.drain.wait(20)
        self.process.stderr.close()
        self.log.close()
        shutil.rmtree(self.dir)


def run(command, build, environment=None):
    data = tempfile.mkdtemp(prefix="bp-transcript-data-")
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=100,
                              env={**os.environ, "BACKPLANE_DATA_DIR": data, "BACKPLANE_CLI": f"{build}/bin/backplane",
                                   **(environment or {})})
    finally:
        shutil.rmtree(data)
    return done


def compare(done, name):
    """Raises AssertionError with the difference from the expected lines."""
    expected = (HERE / name).read_text(encoding="utf-8")
    if done.returncode == 0 and done.stdout == expected:
        return
    diff = "".join(difflib.unified_diff(expected.splitlines(True), done.stdout.splitlines(True), name, "the program"))
    raise AssertionError(f"exit code {done.returncode}\n{diff}\n{done.stderr[-4000:]}")


def embedded(program, build, environment=None):
    compare(run([*program, "embedded", f"{build}/plugins"], build, environment), "expected.txt")


def connected(program, build, environment=None):
    with Host(build) as host:
        compare(run([*program, "connected", host.socket], build, environment), "expected.txt")


def killed(program, build, environment=None):
    with Host(build) as host:
        compare(run([*program, "killed", host.socket, host.process.pid], build, environment), "killed.txt")
