# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python client share. BACKPLANE_BUILD has the build tree."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ["BACKPLANE_BUILD"])
PLUGINS = pathlib.Path(os.environ.get("BACKPLANE_PLUGINS", BUILD / "plugins"))
FORMS = pathlib.Path(os.environ["BACKPLANE_FORMS"])
PROGRAM = BUILD / "bin" / "backplane"
BUNDLED = ("echo", "generator", "kv", "session", "timer")
BACKEND = os.environ.get("BACKPLANE_BACKEND", "cffi")
SECONDS = 20  # bound of each wait


def module(name):
    """The file of a bundled module, of forms, or of a module that tests have."""
    if name == "forms":
        return FORMS
    return PLUGINS / f"{name}.so" if name in BUNDLED else BUILD / "tests" / "modules" / f"{name}.so"


@contextlib.contextmanager
def folder():
    """A fresh directory. Short, as paths of sockets are."""
    made = tempfile.mkdtemp(prefix="bp-py-")
    try:
        yield pathlib.Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def until(what, seconds=SECONDS):
    """Waits until what() is true, and returns what it gives."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.005)


class Host:
    """`backplane run` in a process of its own."""

    def __init__(self, work, *modules):
        self.socket = work / "host.sock"
        self._command = [str(PROGRAM), "run", "--socket", str(self.socket), "--data-dir", str(work / "data")]
        self._modules = modules
        self._work = work
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        command = self._command + [f"--module={each}" for each in self._modules]
        with open(self._work / "host.log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._work)
        until(self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError((self._work / "host.log").read_text(encoding="utf-8"))
        return subprocess.run([str(PROGRAM), "ls", "--socket", str(self.socket)], capture_output=True,
                              check=False).returncode == 0

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait()


def generate(work, *names):
    """Generates the modules into `work`, and makes them importable. BACKPLANE_OUTLINES: a directory with their outlines,
    where the command line cannot make them."""
    outlines = os.environ.get("BACKPLANE_OUTLINES")
    if outlines:
        modules = [json.loads(pathlib.Path(outlines, f"{name}.json").read_text(encoding="utf-8")) for name in names]
        whole = {**modules[0], "modules": [each for one in modules for each in one["modules"]]}
        bindgen = pathlib.Path(__file__).parents[3] / "bindgen" / "main.py"
        subprocess.run([sys.executable, "-B", str(bindgen), "python", "-o", str(work)], check=True, text=True,
                       input=json.dumps(whole))
    else:
        subprocess.run([str(PROGRAM), "bindgen", "python", *[str(module(name)) for name in names], "-o", str(work)],
                       check=True, stdin=subprocess.DEVNULL)
    if str(work) not in sys.path:
        sys.path.insert(0, str(work))


def main():
    import backplane

    if backplane.BACKEND != BACKEND:
        raise SystemExit(f"found the backend {backplane.BACKEND}, expected {BACKEND}")
    unittest.main(verbosity=1)


