#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the packages of the runtimes would have, and what the Debian packages say of the library. scripts/package builds them."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from outside import BUILD, SOURCE, Case

sys.path.insert(0, str(SOURCE / "scripts" / "lib"))
import package_build
import versions

WITHOUT = os.environ.get("BACKPLANE_WITHOUT", "").split()  # of scripts/test --without
BASE = "abi/include/backplane/base.h"


def sources(folder, suffix):
    return {str(each.relative_to(folder)) for each in folder.rglob(f"*{suffix}")}


class Runtimes(Case):
    def copy(self, language):
        place = self.dir / language
        shutil.copytree(SOURCE / "clients" / language, place,
                        ignore=shutil.ignore_patterns("build", "dist", "target", "node_modules", "*.egg-info", "Cargo.lock"))
        return place

    def alone(self, **more):
        """An environment without what the caller's tools keep elsewhere."""
        return {**os.environ, "HOME": str(self.dir), "CARGO_HOME": str(self.dir / "cargo"), "RUSTC": "/usr/bin/rustc",
                "npm_config_cache": str(self.dir / "npm"), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def test_all_runtimes_have_the_version_of_the_header_and_the_licence(self):
        version = package_build.base_version((SOURCE / BASE).read_text())
        self.assertEqual(versions.differing(SOURCE, version), [])
        for language in ("rust", "typescript"):
            self.assertEqual((SOURCE / "clients" / language / "LICENSE").read_text(), (SOURCE / "LICENSE").read_text())

    @unittest.skipIf("typescript" in WITHOUT, "--without typescript")
    def test_the_npm_package_has_what_was_compiled_and_nothing_else(self):
        place = self.copy("typescript")
        (place / "dist").mkdir()
        (place / "dist" / "index.js").write_text("")
        out, _ = self.runs("npm", "pack", "--dry-run", "--json", "--offline", cwd=place, env=self.alone())
        packed, = json.loads(out)
        self.assertEqual({each["path"] for each in packed["files"]}, {"LICENSE", "README.md", "dist/index.js", "package.json"})

    @unittest.skipIf("rust" in WITHOUT, "--without rust")
    def test_the_crate_has_its_sources_and_nothing_else(self):
        place = self.copy("rust")
        out, _ = self.runs("/usr/bin/cargo", "package", "--list", "--offline", "--allow-dirty", cwd=place, env=self.alone())
        self.assertEqual(set(out.decode().split()), sources(place, ".rs") | {"Cargo.toml", "Cargo.toml.orig", "LICENSE",
                                                                              "README.md"})

    @unittest.skipIf("python" in WITHOUT, "--without python")
    def test_the_package_for_python_has_all_modules_and_the_mark_of_its_types(self):
        place = self.copy("python")
        self.runs(sys.executable, "setup.py", "-q", "build_py", "--build-lib", self.dir / "built", cwd=place,
                  env=self.alone(BACKPLANE_INCLUDE=str(SOURCE / "abi" / "include")))
        self.assertEqual(sources(self.dir / "built", ""), sources(place / "src", ".py") | {"backplane", "backplane/py.typed"})


class Debian(Case):
    def test_the_symbols_of_the_package_are_those_of_the_library(self):
        out = subprocess.run(["nm", "-D", "--defined-only", next(BUILD.glob("lib*/libbackplane.so"))], capture_output=True,
                             text=True, check=True).stdout
        exported = {line.split()[2].replace("@@", "@") for line in out.splitlines()}
        exported |= {f"{name}@{name}" for name in exported if "@" not in name}
        listed = re.findall(r"(?m)^ (\S+) ", (SOURCE / "debian/libbackplane0.symbols").read_text())
        self.assertEqual(sorted(set(listed)), sorted(name for name in exported if "@" in name),
                         "debian/libbackplane0.symbols has other functions than libbackplane.so; see docs/packaging.md")
        self.assertEqual(len(listed), len(set(listed)))


if __name__ == "__main__":
    unittest.main()
