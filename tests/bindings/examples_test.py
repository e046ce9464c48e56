#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of generated C, C++ and Python are built as their READMEs say, from installed files alone, and run."""
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
        cls.lib, cls.modules = lib, lib / "backplane/plugins"
        cls.timer = cls.modules / "timer.so"
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

    @unittest.skipIf("python" in WITHOUT, "--without python")
    def test_python(self):
        source, package, place = self.dir / "python-source", self.dir / "python-package", self.dir / "python"
        shutil.copytree(ROOT / "clients/python", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
        environment = {**self.environment, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1",
                       "BACKPLANE_BACKEND": "cffi", "BACKPLANE_INCLUDE": f"{self.dir}/installed/include",
                       "BACKPLANE_LIBRARY_DIR": str(self.lib)}
        environment.pop("BACKPLANE_LIBRARY", None)

        def run(*command, cwd=place):
            done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=200)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr[-3000:]}")
            return done.stdout

        run("/usr/bin/python3", "setup.py", "-q", "build", "--build-lib", str(package), cwd=source)
        shutil.copytree(ROOT / "examples/python", place)
        text = (place / "README.md").read_text(encoding="utf-8")
        self.assertLessEqual(len(text.splitlines()), 12)
        generate, embedded = re.findall(r"(?m)^    (.+)$", text)[:2]
        for command in (generate, embedded):
            out = run("sh", "-c", command.replace("build/plugins", str(self.modules)).replace("python3", "/usr/bin/python3"))
        self.assertEqual(out.splitlines()[:3] + out.splitlines()[-1:], ["hello", "1 of 3", "2 of 3", "{'name': 'user 7'}"])
        where = run("/usr/bin/python3", "-c", "import backplane, backplane._native; print(backplane._native.__file__)")
        self.assertTrue(where.startswith(str(package)), where)


if __name__ == "__main__":
    unittest.main()
