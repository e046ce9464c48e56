#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`cmake --install` into a prefix that is moved afterwards: applications and modules outside of this tree build from it
and run with it, and the installed executable finds its modules and its program for trial loads."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import cbor2

from outside import BUILD, CMAKE, CONSUMERS, SOURCE, Case

sys.path.insert(0, str(SOURCE / "scripts" / "lib"))
import shown as shown_commands

SCRATCH = None


def setUpModule():
    global SCRATCH
    SCRATCH = pathlib.Path(tempfile.mkdtemp(prefix="bp-prefix-", dir="/tmp"))
    unittest.addModuleCleanup(shutil.rmtree, SCRATCH)
    subprocess.run([CMAKE, "--install", BUILD, "--prefix", SCRATCH / "first"], stdout=subprocess.DEVNULL, check=True)
    (SCRATCH / "first").rename(SCRATCH / "moved")


class Installed(Case):
    def setUp(self):
        super().setUp()
        self.prefix = SCRATCH / "moved"
        self.lib = next(self.prefix.glob("**/libbackplane.so")).parent
        self.with_pc = {**os.environ, "PKG_CONFIG_PATH": str(self.lib / "pkgconfig")}
        self.with_all = {**self.with_pc, "CMAKE_PREFIX_PATH": str(self.prefix), "CMAKE_GENERATOR": "Ninja",
                         "LD_LIBRARY_PATH": str(self.lib), "PATH": f"{self.prefix / 'bin'}:{os.environ['PATH']}",
                         "BACKPLANE_SOCKET": str(self.dir / "s"), "XDG_DATA_HOME": str(self.dir / "data")}

    def cmake(self, name, *arguments, **options):
        return self.build(CONSUMERS / name, f"-DCMAKE_PREFIX_PATH={self.prefix}", *arguments, **options)

    def pkg_config(self, package, **environment):
        out, _ = self.runs("pkg-config", "--cflags", "--libs", package, env={**self.with_pc, **environment})
        return shlex.split(out.decode())

    def application(self, module, name):
        """What the C application gets, which tries the module with the installed program first."""
        if not hasattr(self, "built"):
            self.built = self.cmake("c_application") / "c_application"
        out, err = self.runs(self.built, module, name)
        self.assertIn("headers ", err)
        return cbor2.loads(out)

    def test_the_commands_of_the_page_build_and_run_applications_and_modules(self):
        shutil.copytree(CONSUMERS, self.dir / "consumers")
        text = (SOURCE / "docs" / "packaging.md").read_text()
        # The others need rights, and are for scripts/package.
        shown = [each for each in shown_commands.commands(text)
                 if not each[0].startswith(("sudo ", "scripts/", "cp -r /usr/"))]
        self.assertGreaterEqual(len(shown), 16)
        out, _ = self.runs("bash", "-c", shown_commands.script(shown), cwd=self.dir / "consumers", env=self.with_all)
        self.assertEqual(shown_commands.compare(shown, out.decode()), "")
        for name in ("c_application", "cmake_module"):
            source = (CONSUMERS / name / "CMakeLists.txt").read_text().split("\n", 1)[1]
            self.assertIn(source, text, f"docs/packaging.md does not show {name}/CMakeLists.txt as it is")

    def test_a_module_in_c_needs_nothing_else_of_pkg_config(self):
        alone = {"PKG_CONFIG_LIBDIR": str(self.lib / "pkgconfig"), "PKG_CONFIG_PATH": ""}
        module = self.dir / "counter.so"
        self.runs(*shlex.split(os.environ["CC"]), "-std=c11", "-O2", "-Wall", "-Werror",
                  CONSUMERS / "pkg_config_module" / "counter.c", *self.pkg_config("backplane-module", **alone),
                  "-o", module)
        self.assertEqual(self.application(module, "counter.next"), 1)
        self.runs("pkg-config", "--cflags", "backplane-sdk", code=1, env={**self.with_pc, **alone})

    def test_a_module_in_c_builds_with_cmake_where_the_sdk_cannot(self):
        project = self.dir / "in_c"
        project.mkdir()
        shutil.copy(CONSUMERS / "pkg_config_module" / "counter.c", project)
        shutil.copy(CONSUMERS / "cmake_module" / "greeter.cpp", project)
        poor = ("-DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON",
                f"-DCMAKE_PREFIX_PATH={self.prefix}")
        write = (project / "CMakeLists.txt").write_text
        head = "cmake_minimum_required(VERSION 3.25)\nproject(in_c C CXX)\n"
        for find in ("find_package(Backplane REQUIRED)", "find_package(Backplane REQUIRED COMPONENTS module)"):
            write(f"{head}{find}\nbackplane_add_plugin(counter SOURCES counter.c)\n")
            made = self.build(project, *poor, name="good") / "counter.so"
            self.assertEqual(self.application(made, "counter.next"), 1)
        # All that is missing, and the packages that have it: at the latest where it is needed.
        write(f"{head}find_package(Backplane REQUIRED)\nbackplane_add_plugin(greeter SOURCES greeter.cpp)\n")
        _, late = self.configure(project, *poor, code=1, name="late")
        write(f"{head}find_package(Backplane REQUIRED COMPONENTS sdk)\n")
        _, early = self.configure(project, *poor, code=1, name="early")
        for told in (late, early):
            self.assertIn("libboost1.81-dev", told)
            self.assertIn("libcbor-dev", told)
        write(f"{head}find_package(Backplane REQUIRED COMPONENTS module)\n"
              "backplane_add_plugin(greeter SOURCES greeter.cpp)\n")
        _, told = self.configure(project, *poor, code=1, name="not-asked")
        self.assertIn("Neither sdk nor client is among the COMPONENTS", told)

    def test_another_major_version_is_refused_with_both_versions(self):
        project = self.dir / "future"
        project.mkdir()
        (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(future NONE)\n"
                                                "find_package(Backplane 9.5 REQUIRED)\n")
        _, told = self.configure(project, f"-DCMAKE_PREFIX_PATH={self.prefix}", code=1)
        self.assertIn('requested version "9.5"', told)
        version, _ = self.runs("pkg-config", "--modversion", "backplane", env=self.with_pc)
        self.assertIn(f"version: {version.decode().strip()}", told)

    def test_the_executable_finds_the_modules_and_the_trial_program(self):
        socket, log = self.dir / "s", self.dir / "log"
        with open(log, "wb") as out:
            host = subprocess.Popen([self.prefix / "bin" / "backplane", "run", "--socket", socket, "--data-dir",
                                     self.dir / "data"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 60
            while "ready on" not in log.read_text():
                self.assertIsNone(host.poll(), log.read_text())
                self.assertLess(time.monotonic(), until, log.read_text())
                time.sleep(0.02)
            out, _ = self.runs(self.prefix / "bin" / "backplane", "call", "kv.count", "--socket", socket)
            self.assertEqual(out, b'{"count":0}\n')
            out, _ = self.runs(self.prefix / "bin" / "backplane", "status", "--json", "--socket", socket)
            for module in sorted(each.name for each in (BUILD / "plugins").glob("*.so")):
                self.assertIn(str(self.lib / "backplane" / "plugins" / module), out.decode())
        finally:
            host.terminate()
            self.assertEqual(host.wait(timeout=60), 0, log.read_text())

    def test_without_its_trial_program_a_host_says_where_it_belongs(self):
        place = next(self.lib.glob("libbackplane*/backplane-trial"))
        soname = self.lib / (place.parent.name.replace("libbackplane", "libbackplane.so."))
        self.assertTrue(soname.is_symlink(), f"{place.parent.name} is not named after a library")
        away = self.dir / "away"
        place.rename(away)
        try:
            run = (self.prefix / "bin" / "backplane", "run", "--socket", self.dir / "s", "--data-dir", self.dir / "data")
            _, err = self.runs(*run, code=2)
        finally:
            shutil.move(away, place)
        self.assertIn(f"{place}, cannot be run: No such file", err)
        self.assertIn("--no-trial or trial_load = false", err)

    def test_nothing_that_is_installed_names_the_build_or_the_source(self):
        count = 0
        for path in self.prefix.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.suffix not in (".so", ".0") and "bin" not in path.parts:
                count += 1
                text = path.read_bytes()
                for place in (BUILD, SOURCE, SCRATCH / "first"):
                    self.assertNotIn(str(place).encode(), text, path)
        self.assertGreater(count, 30)
        for path in (self.prefix / "bin" / "backplane", self.lib / "libbackplane.so", *self.lib.glob("**/*.so")):
            out, _ = self.runs("readelf", "-d", path)
            self.assertNotIn(str(BUILD), out.decode(), path)


if __name__ == "__main__":
    unittest.main()
