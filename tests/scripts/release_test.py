#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/release, in a repository that has only what a release changes, with tests that only note that they ran."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = "abi/include/backplane/base.h"
CHANGES = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n"
OLDER = "\n## [0.1.0] - 2026-01-02\n\n- The first.\n"
COPIES = {"clients/rust/Cargo.toml": 'version = "{}"\n', "clients/typescript/package.json": '{{\n  "version": "{}",\n}}\n',
          "clients/typescript/src/version.ts": 'export const version = "{}";\n'}
GATES = (".ci/run", "scripts/test", "scripts/package")


class Release(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bp-release-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.log = self.dir / "log"
        self.tree = self.dir / "tree"
        self.write(HEADER, "".join(f"#define BP_VERSION_{part} {number}\n"
                                   for part, number in (("MAJOR", 0), ("MINOR", 1), ("PATCH", 0))))
        for name, text in COPIES.items():
            self.write(name, text.format("0.1.0"))
        self.write("CHANGELOG.md", CHANGES + OLDER)
        self.write("abi/CHANGELOG.md", "## 1.0 (not released yet)\n")
        self.write(".gitignore", "/build*/\n__pycache__/\n")
        for gate in GATES:
            self.write(gate, f'#!/bin/sh\necho "$0 $*" >>"{self.log}"\n', 0o755)
        (self.tree / "scripts" / "lib").mkdir()
        for name in ("release", "lib/versions.py"):
            shutil.copy(ROOT / "scripts" / name, self.tree / "scripts" / name)
        self.git("init", "-q")
        self.git("config", "user.name", "somebody")
        self.git("config", "user.email", "somebody@localhost")
        self.commit()

    def write(self, name, text, mode=0o644):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def read(self, name):
        return (self.tree / name).read_text()

    def git(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(["git", "-C", self.tree, *arguments], capture_output=True, text=True, check=True,
                              env=environment).stdout

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "state")

    def release(self, *arguments, code=0):
        done = subprocess.run([self.tree / "scripts" / "release", *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def refused(self, *arguments, code=1):
        """What it says; nothing has changed."""
        state = self.git("rev-parse", "HEAD"), self.git("status", "--porcelain"), self.git("tag")
        told = self.release(*arguments, code=code)
        self.assertEqual((self.git("rev-parse", "HEAD"), self.git("status", "--porcelain"), self.git("tag")), state)
        return told

    def test_it_sets_the_version_closes_the_changelogs_and_tags_with_the_notes(self):
        self.release("0.2.0")
        self.assertIn("MINOR 2\n", self.read(HEADER))
        for name, text in COPIES.items():
            self.assertEqual(self.read(name), text.format("0.2.0"))
        self.assertRegex(self.read("CHANGELOG.md"),
                         r"## \[Unreleased\]\n\n## \[0\.2\.0\] - 20\d\d-\d\d-\d\d\n\n### Added\n\n- A thing\.\n\n## \[0\.1\.0\]")
        self.assertEqual(self.read("abi/CHANGELOG.md"), "## 1.0 (released with 0.2.0)\n")
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(self.git("rev-parse", "v0.2.0^{commit}"), self.git("rev-parse", "HEAD"))
        notes = self.git("tag", "-l", "--format=%(contents)", "v0.2.0").strip()
        self.assertEqual(notes, "Backplane 0.2.0\n\n### Added\n\n- A thing.")
        ran = [line.split("/", 1)[1] if line.startswith("./") else line for line in self.log.read_text().splitlines()]
        self.assertEqual(ran, [".ci/run ", "scripts/test -L bindings", "scripts/package ", "scripts/package --boot"])

    def test_a_gate_that_fails_leaves_no_tag_and_no_commit(self):
        for gate in GATES:
            good = self.read(gate)
            self.write(gate, "#!/bin/sh\nexit 1\n", 0o755)
            self.commit()
            self.assertIn(f"{gate}", self.refused("0.2.0"))
            self.write(gate, good, 0o755)
            self.commit()

    def test_what_somebody_changes_meanwhile_stays_and_is_not_tagged(self):
        gate = '#!/bin/sh\necho mine >>other\n{}exit {}\n'
        self.write("other", "x\n")
        for commits, code in (("", 0), ("", 1), ("git commit -q -a -m mine\n", 0), ("git commit -q -a -m mine\n", 1)):
            with self.subTest(commits=bool(commits), code=code):
                self.write(".ci/run", gate.format(commits, code), 0o755)
                self.write("other", "x\n")
                self.commit()
                before = self.git("rev-parse", "HEAD")
                told = self.release("0.2.0", code=1)
                self.assertIn("0.2.0 is not tagged", told)
                self.assertEqual(self.git("tag"), "")
                self.assertEqual(self.read("other"), "x\nmine\n")
                if commits:
                    self.assertIn("is left as it is", told)
                    self.assertEqual(self.git("log", "-1", "--format=%s"), "mine\n")
                    self.git("reset", "-q", "--hard", before.strip())
                else:
                    self.assertEqual(self.git("rev-parse", "HEAD"), before)
                    self.assertIn("MINOR 1\n", self.read(HEADER))

    def test_a_dry_run_changes_nothing_here(self):
        told = self.refused("0.2.0", "--dry-run", code=0)
        self.assertIn("- A thing.", told)
        self.assertIn("not run: scripts/test -L bindings", told)
        self.assertFalse(self.log.exists())
        clone = self.tree / "build-release" / "clone"
        done = subprocess.run(["git", "-C", clone, "tag"], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "v0.2.0\n")
        self.assertIn("MINOR 2\n", (clone / HEADER).read_text())

    def test_what_it_refuses(self):
        self.assertIn("expected MAJOR.MINOR.PATCH", self.refused("0.2", code=2))
        self.assertIn("expected VERSION", self.refused(code=2))
        self.assertIn("base.h has 0.1.0", self.refused("0.0.9"))
        self.git("tag", "v0.3.0")
        self.assertIn("v0.3.0 is a tag already", self.refused("0.2.0"))
        self.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n" + OLDER)
        self.assertIn("not committed", self.refused("0.4.0"))
        self.commit()
        self.assertIn("nothing under", self.refused("0.4.0"))


if __name__ == "__main__":
    unittest.main()
