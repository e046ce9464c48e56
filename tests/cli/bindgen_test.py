# SPDX-License-Identifier: Apache-2.0
"""bindgen: its sources, what it gives to the generator, and how it ends. Bindings themselves are tested in tests/bindings."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from harness import EXE, LIMIT, MODULES, PLUGINS, Case

OUTLINES = pathlib.Path(__file__).resolve().parent.parent / "unit" / "cddl" / "outlines"
KV, TIMER = str(PLUGINS / "kv.so"), str(PLUGINS / "timer.so")
CDDL = "Point = { x: int }\nm.move.request = Point ; moves\nm.move.reply = null\nm.moved.event = Point\no.ask.request = {}\n"

# Stands for the generator: shows what it was given, and ends as the variables say.
GENERATOR = """#!/bin/sh
printf '%s\\n' "$*" > {dir}/arguments
cat > {dir}/input
echo 'a line on stdout'
echo 'a line on stderr' >&2
{end}
"""


class Bindgen(Case):
    def outline(self, *arguments):
        return json.loads(self.bp("bindgen", "json", *arguments)[0])

    def stored(self, name):
        return json.loads((OUTLINES / f"{name}.json").read_text())["modules"][0]

    def copy_executable(self):
        shutil.copy(EXE, self.path("backplane"))
        self.environment["LD_LIBRARY_PATH"] = str(pathlib.Path(EXE).resolve().parents[1] / "lib")

    def beside_a_generator(self, end):
        """Runs a copy of the executable beside a generator of the test's own."""
        self.copy_executable()
        if end is not None:
            pathlib.Path(self.path("backplane-bindgen")).write_text(GENERATOR.format(dir=self.dir, end=end))
            os.chmod(self.path("backplane-bindgen"), 0o755)
        done = subprocess.run([self.path("backplane"), "bindgen", "cpp", KV, "-o", "some dir", "--check"],
                              env=self.environment, cwd=self.dir, capture_output=True, timeout=LIMIT)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_the_outlines_of_the_bundled_modules_are_as_stored(self):
        for name in ("echo", "timer", "kv", "session", "generator"):
            out, err = self.bp("bindgen", "json", str(PLUGINS / f"{name}.so"))
            self.assertEqual(err, "")
            self.assertEqual(out.splitlines(), (OUTLINES / f"{name}.json").read_text().splitlines())

    def test_several_files_are_one_document_in_their_order(self):
        made = self.outline(TIMER, KV)
        self.assertEqual([made["form"], made["modules"]], [1, [self.stored("timer"), self.stored("kv")]])
        self.assertEqual(made["generator"], self.bp_json("--version")["version"])

    def test_no_code_of_a_module_runs(self):
        made = self.outline(str(MODULES / "cli_fixture_aborts.so"))
        self.assertEqual(made["modules"][0]["name"], "cli_fixture")

    def test_a_running_host_gives_all_modules_or_those_that_are_named(self):
        self.host(modules=(KV, TIMER))
        self.assertEqual(self.outline()["modules"], [self.stored("kv"), self.stored("timer")])
        self.assertEqual(self.outline("--module", "timer")["modules"], [self.stored("timer")])
        self.assertEqual(self.outline(str(PLUGINS / "echo.so"), "--module", "kv")["modules"],
                         [self.stored("echo"), self.stored("kv")])
        self.assertEqual(len(self.outline("--socket", self.socket)["modules"]), 2)
        self.assertIn("did you mean timer?", self.refused(1, "bindgen", "json", "--module", "timr"))
        self.assertIn("expected each module once", self.refused(2, "bindgen", "json", KV, "--module", "kv"))

    def test_without_a_host_or_a_module_it_says_so(self):
        self.assertIn("unreachable", self.refused(3, "bindgen", "json"))
        self.host(modules=())
        self.assertIn("the host has no module", self.refused(1, "bindgen", "json"))

    def test_a_text_says_its_names_itself(self):
        made = self.outline(self.write("some.cddl", CDDL))["modules"][0]
        self.assertEqual([made["name"], made["version"], made["summary"]], ["m", "", ""])
        self.assertRegex(made["hash"], "^[0-9a-f]{16}$")
        self.assertEqual(made["cddl"], CDDL)
        for kind, names in (("calls", ["m.move"]), ("functions", ["o.ask"]), ("events", ["m.moved"]), ("listens", [])):
            self.assertEqual([each["name"] for each in made[kind]], names)
        made = self.outline(self.path("some.cddl"), "--name", "o", "--module-version", "1.2", "--summary", "asks")
        made = made["modules"][0]
        self.assertEqual([made["name"], made["version"], made["summary"]], ["o", "1.2", "asks"])
        self.assertEqual([each["name"] for each in made["functions"]], ["m.move"])

    def test_the_hash_of_a_text_is_that_of_its_module(self):
        text = self.write("timer.cddl", self.stored("timer")["cddl"])
        made = self.outline(text, "--module-version", "1.0.0", "--summary", self.stored("timer")["summary"])
        self.assertEqual(made["modules"][0], self.stored("timer"))

    def test_warnings_name_file_and_rule(self):
        out, err = self.bp("bindgen", "json", self.write("a.cddl", "m.v.request = uri\nm.v.reply = null"))
        self.assertEqual(err, f"backplane: {self.path('a.cddl')}: m.v.request: found uri; bindings have it as any\n")
        self.assertEqual(json.loads(out)["modules"][0]["calls"][0]["request"], {"kind": "any"})

    def test_what_cannot_be_read_is_refused(self):
        self.assertIn("line 1, column 5", self.refused(5, "bindgen", "json", self.write("bad.cddl", "a = }")))
        self.assertIn("give it with --name", self.refused(2, "bindgen", "json", self.write("types.cddl", "A = int")))
        self.assertIn("cannot open", self.refused(2, "bindgen", "json", self.path("nowhere.cddl")))
        self.refused(5, "bindgen", "json", self.path("nowhere.so"))
        self.refused(5, "bindgen", "json", str(MODULES / "cli_fixture_bad_cddl.so"))

    def test_wrong_arguments_teach(self):
        self.assertIn("found no -o DIR", self.refused(2, "bindgen", "cpp", KV))
        self.assertIn("printed on stdout", self.refused(2, "bindgen", "json", KV, "-o", self.dir))
        self.assertIn("printed on stdout", self.refused(2, "bindgen", "json", KV, "--check"))
        self.assertIn("single .cddl file", self.refused(2, "bindgen", "json", KV, "--name", "kv"))
        self.refused(2, "bindgen")

    def test_the_generator_gets_the_outline_and_its_exit_code_is_ours(self):
        for code in (0, 1, 7):
            self.assertEqual(self.beside_a_generator(f"exit {code}"), (code, "a line on stdout\n", "a line on stderr\n"))
        self.assertEqual(pathlib.Path(self.path("arguments")).read_text(), "cpp -o some dir --check\n")
        self.assertEqual(json.loads(pathlib.Path(self.path("input")).read_text()), self.outline(KV))

    def test_a_generator_that_is_missing_or_killed_is_told(self):
        code, out, err = self.beside_a_generator(None)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("backplane-bindgen is not installed; it is in the package backplane-bindgen", err)
        code, _, err = self.beside_a_generator(f"kill -{int(signal.SIGSEGV)} $$")
        self.assertEqual(code, 1)
        self.assertIn("was ended by SIGSEGV", err)

    def test_a_generator_that_reads_nothing_says_why_itself(self):
        self.copy_executable()
        program = pathlib.Path(self.path("backplane-bindgen"))
        program.write_text("#!/bin/sh\nexec <&-\necho 'no jinja' >&2\nexit 2\n")
        program.chmod(0o755)
        big = self.write("big.cddl", CDDL + "".join(f"T{i} = {{ a: int, b: tstr }}\n" for i in range(5000)))
        done = subprocess.run([self.path("backplane"), "bindgen", "cpp", big, "-o", "x"], env=self.environment,
                              cwd=self.dir, capture_output=True, timeout=LIMIT)
        self.assertEqual((done.returncode, done.stderr.splitlines()[-1]), (2, b"no jinja"))


if __name__ == "__main__":
    unittest.main()
