#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of generated C and C++ are built as their READMEs say, from installed files alone, and run."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ["BACKPLANE_BUILD"]
WITHOUT = os.environ.get("BACKPLANE_WITHOUT", "").split()  # of scripts/test --without


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="bp-examples-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.dir / "installed"], check=True, capture_output=True)
        lib = next((cls.dir / "installed").glob("lib*/**/libbackplane.so")).parent
        cls.timer = lib / "backplane/plugins/timer.so"
        cls.environment = {**os.environ, "PATH": f"{cls.dir}/installed/bin:{os.environ['PATH']}",
                           "PKG_CONFIG_PATH": f"{lib}/pkgconfig", "LD_LIBRARY_PATH": str(lib)}

    def run_readme(self, name):
        """Runs the commands of a README, which are indented, in a copy of the example. Returns what the last one prints."""
        place = self.dir / name
        shutil.copytree(ROOT / "examples/bindings" / name, place)
        shutil.copy(self.timer, place)
        text = (place / "README.md").read_text(encoding="utf-8")
        self.assertLessEqual(len(text.splitlines()), 12)
        commands = re.findall(r"(?m)^    (.+)$", text)
        self.assertEqual(len(commands), 3)
        for command in commands:
            done = subprocess.run(["sh", "-c", command.replace("path/to/", "")], cwd=place, env=self.environment,
                                  capture_output=True, text=True, check=False, timeout=200)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr[-3000:]}")
        return done.stdout

    @unittest.skipIf("c" in WITHOUT, "--without c")
    def test_c(self):
        self.assertEqual(sorted(self.run_readme("c").splitlines()), [
            "answer: again by timer", "callback: hello",
            "delay_ms: 60001 is above this timer's limit of 60000; raise max_delay_ms in its configuration, or ask for less",
            "event: again, number 2", "event: hello, number 1"])

    @unittest.skipIf("cpp" in WITHOUT, "--without cpp")
    def test_cpp(self):
        self.assertEqual(self.run_readme("cpp").splitlines(), [
            "answer: hello", "event: number 1", "tick 1 of 3", "tick 2 of 3", "tick 3 of 3", "ticks: 3", "coroutine: again",
            "error: delay_ms: 60001 is above this timer's limit of 60000; raise max_delay_ms in its configuration, or ask for "
            "less"])


if __name__ == "__main__":
    unittest.main()
