#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""npm's cddl accepts the interface text of every module, and cddl2ts makes the right TypeScript of it."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
TOOLS = pathlib.Path(os.environ["BACKPLANE_TOOLS"]) / "node_modules" / ".bin"
BUNDLED = ("echo", "generator", "hello_c", "kv", "session", "timer")
MODULES = {name: pathlib.Path(os.environ["BACKPLANE_PLUGINS"], name + ".so") for name in BUNDLED}
MODULES["forms"] = pathlib.Path(os.environ["BACKPLANE_FORMS"])


def run(tool, *arguments):
    done = subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, check=False, cwd=HERE)
    if done.returncode != 0:
        raise AssertionError(f"{tool} {' '.join(map(str, arguments))}\n{done.stdout[:4000]}{done.stderr[:2000]}")
    return done.stdout


class TypeScript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not (TOOLS / "cddl2ts").exists():
            raise AssertionError(f"found no {TOOLS}/cddl2ts; run scripts/setup bindings")
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="bp-bindings-"))
        for name, module in MODULES.items():
            text = cls.dir / f"{name}.bin"
            subprocess.run(["objcopy", "-O", "binary", "--only-section=.bp.cddl", "--set-section-flags=.bp.cddl=alloc",
                            module, text], check=True)
            (cls.dir / f"{name}.cddl").write_bytes(text.read_bytes().replace(b"\0", b""))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def made(self, name):
        made = self.dir / f"{name}.ts"
        if not made.exists():
            made.write_text(run("cddl2ts", "--field-case", "snake", self.dir / f"{name}.cddl"), encoding="utf-8")
        return made

    def compiled(self, *files):
        run("tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "es2022", *files)

    def test_cddl_accepts_each_text(self):
        for name in MODULES:
            with self.subTest(name):
                self.assertIn("Valid CDDL", run("cddl", "validate", self.dir / f"{name}.cddl"))

    def test_the_types_of_the_bundled_modules_compile(self):
        self.compiled(*[self.made(name) for name in BUNDLED])

    def test_each_form_becomes_the_right_type(self):
        self.made("forms")
        uses = shutil.copy(HERE / "uses.ts", self.dir)
        self.compiled(uses)

    def test_the_name_of_each_wire_rule_is_a_type(self):
        for name in MODULES:
            text = (self.dir / f"{name}.cddl").read_text(encoding="utf-8")
            made = self.made(name).read_text(encoding="utf-8")
            for line in text.splitlines():
                rule = line.split(" = ")[0]
                if "." not in rule or line.startswith((" ", ";")):
                    continue
                camel = "".join(part[:1].upper() + part[1:] for part in rule.replace(".", "_").split("_"))
                self.assertRegex(made, rf"export (type|interface) {camel}\b", rule)


if __name__ == "__main__":
    unittest.main()
