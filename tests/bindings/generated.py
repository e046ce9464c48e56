# SPDX-License-Identifier: Apache-2.0
"""What the tests of generated C and C++ share: generating from outlines, and formatting."""
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
for folder in (HERE, ROOT / "bindgen"):
    sys.path.insert(0, str(folder))
import hostile  # noqa: E402
import main as bindgen  # noqa: E402
import outline as outlines  # noqa: E402

OUTLINES = ROOT / "tests/unit/cddl/outlines"
INCLUDES = [f"-I{ROOT / folder}" for folder in ("abi/include", "clients/c/include", "clients/cpp/include",
                                                "plugin_sdk/include")]


def bundled():
    """An outline of the bundled modules and of forms."""
    made = {"form": 1, "generator": "0.1.0", "modules": []}
    for path in sorted(OUTLINES.glob("*.json")):
        made["modules"] += json.loads(path.read_text(encoding="utf-8"))["modules"]
    return made


def large():
    """An outline of a thousand rules."""
    text = {"kind": "text"}
    types = [hostile.struct(f"Type{i}", *[hostile.member(f"member_{k}", hostile.named(f"Type{i - 1}") if i and k % 2 else text)
                                          for k in range(8)]) for i in range(700)]
    calls = [hostile.call(f"demo.call_{i}", request=hostile.named(f"Type{i}"), reply=hostile.named(f"Type{i}"))
             for i in range(150)]
    return {"form": 1, "generator": "0.1.0", "modules": [hostile.module("demo", types, calls)]}


class Generated(unittest.TestCase):
    """Tests of a language; `language` names it."""
    language = ""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bp-generated-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def make(self, outline):
        """Generates into self.dir. Returns the names of the files."""
        code = bindgen.main([self.language, "-o", str(self.dir)], io.BytesIO(json.dumps(outline).encode()))
        self.assertEqual(code, 0)
        return sorted(path.name for path in self.dir.iterdir())

    def compile(self, compiler, *arguments):
        done = subprocess.run([*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", *INCLUDES,
                               f"-I{self.dir}", *arguments], capture_output=True, text=True, check=False, cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr[:6000])

    def check_format(self, outline):
        files = self.make(outline)
        shutil.copy(ROOT / ".clang-format", self.dir)
        done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", "--style=file", *files], capture_output=True,
                              text=True, check=False, cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr[:3000])

    def check_speed(self):
        text = json.dumps(large())
        bindgen.generate(self.language, outlines.load(json.dumps(hostile.outline())))  # loads the language
        begin = time.process_time()
        bindgen.generate(self.language, outlines.load(text))
        self.assertLess(time.process_time() - begin, 1)

    def check_same(self, outline):
        one = bindgen.generate(self.language, outlines.load(json.dumps(outline)))
        self.assertEqual(one, bindgen.generate(self.language, outlines.load(json.dumps(outline))))
        return one
