# SPDX-License-Identifier: Apache-2.0
"""Handlers that fork without exec, in a host that serves others: their connections are not disturbed."""

import os
import subprocess
import unittest

from harness import EXE, LIMIT, PLUGINS, Case

FORKS = os.environ["BACKPLANE_FORKS"]


class ForkTest(Case):
    def test_an_innocent_client_is_not_disturbed(self):
        self.host(modules=[PLUGINS / "echo.so", FORKS])
        client = subprocess.Popen([EXE, "bench", "echo.raw", "--raw", "--payload", "hello", "-c", "4", "-P", "16", "--seconds", "3"],
                                  env=self.environment, cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in ["tries", "fiber", "blocking"] * 5:
            self.assertEqual(self.bp("call", f"forks.{name}", "--raw")[0].strip(), "0", name)
        for name in ["returns", "woven", "worker", "asks"]:
            self.assertEqual(self.bp("call", f"forks.{name}", "--raw")[0].strip(), "1", name)
        out, err = client.communicate(timeout=LIMIT)
        self.assertEqual(client.returncode, 0, out + err)
        self.assertEqual(err, "")
        self.assertEqual(self.bp("call", "forks.counted", "--raw")[0].strip(), "0")


if __name__ == "__main__":
    unittest.main()
