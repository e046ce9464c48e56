# SPDX-License-Identifier: Apache-2.0
"""examples/c/serve.c: the command line sees, uses and ends an application in C that embeds a host."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SERVE, CLI, PLUGINS = sys.argv[1:4]


class Serve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bp-serve-")
        self.addCleanup(folder.cleanup)
        self.socket = pathlib.Path(folder.name) / "app.sock"
        self.app = subprocess.Popen([SERVE, self.socket, f"{PLUGINS}/echo.so"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        lines = iter(self.app.stdout.readline, "")
        self.assertTrue(any(line == "serving\n" for line in lines), "it serves")

    def end(self):
        self.app.kill()
        self.app.wait()
        self.app.stdout.close()

    def cli(self, command, *arguments, code=0):
        done = subprocess.run([CLI, command, "--socket", self.socket, *arguments], capture_output=True, text=True, timeout=30,
                              check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout

    def test_the_command_line_uses_it_and_ends_it(self):
        self.assertEqual(json.loads(self.cli("call", "echo.shout", '{"text": "hello"}'))["shouted"], "HELLO")
        modules = json.loads(self.cli("ls", "--json"))
        self.assertEqual([each["name"] for each in modules["modules"]], ["echo"])
        self.cli("load", f"{PLUGINS}/kv.so")
        self.assertIn("kv", self.cli("ls"))
        status = json.loads(self.cli("status", "--json"))
        self.assertEqual(status["pid"], self.app.pid)
        self.cli("unload", "kv")
        self.cli("stop")
        rest, _ = self.app.communicate(timeout=30)
        self.assertEqual(self.app.returncode, 0)
        self.assertIn("the context is gone\n", rest)
        self.assertIn("app: ", rest)
        self.assertFalse(self.socket.exists())
        self.cli("ls", code=3)

    def test_a_second_application_cannot_have_the_path(self):
        other = subprocess.run([SERVE, self.socket, f"{PLUGINS}/echo.so"], capture_output=True, text=True, timeout=30,
                               check=False)
        self.assertEqual(other.returncode, 1)
        self.assertIn(str(self.app.pid), other.stderr)
        self.assertEqual(json.loads(self.cli("call", "echo.shout", '{"text": "on"}'))["shouted"], "ON")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
