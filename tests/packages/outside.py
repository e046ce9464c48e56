# SPDX-License-Identifier: Apache-2.0
"""What the tests of packages share: projects outside of this tree, built and run in a scratch directory."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["BACKPLANE_BUILD"])
SOURCE = pathlib.Path(os.environ["BACKPLANE_SOURCE"])
CMAKE = os.environ["CMAKE_COMMAND"]
CONSUMERS = SOURCE / "tests" / "packages" / "consumers"


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bp-packages-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.dir)

    def runs(self, *command, code=0, **options):
        """Its stdout as bytes, and its stderr as text."""
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              check=False, timeout=280, **options)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, done.stdout.decode(errors="replace") + text)
        return done.stdout, text

    def configure(self, source, *arguments, code=0, name=None, **options):
        """The build directory, and what CMake wrote."""
        build = self.dir / (name or f"{source.name}-build")
        _, err = self.runs(CMAKE, "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release", *arguments,
                           code=code, **options)
        return build, " ".join(err.split())

    def build(self, source, *arguments, targets=(), **options):
        build, warnings = self.configure(source, *arguments, **options)
        self.assertEqual(warnings, "")
        self.runs(CMAKE, "--build", build, *(("--target", *targets) if targets else ()))
        return build
