#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The scripts that people run: their help, their usage errors, and what setup does without rights."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = ("setup", "build", "run", "test", "tour", "check", "bench", "bench-bindings", "mutate",
           "wrapped", "package", "release")


def run(name, *arguments, **options):
    return subprocess.run([os.path.join(ROOT, "scripts", name), *arguments], capture_output=True, text=True,
                          check=False, **options)


class Scripts(unittest.TestCase):
    def test_each_script_explains_itself(self):
        for name in SCRIPTS:
            done = run(name, "--help")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith(f"scripts/{name}: "), done.stdout)

    def test_what_a_script_does_not_know_is_a_usage_error(self):
        for name, argument in (("setup", "--nonsense"), ("build", "--nonsense"), ("build", "nonsense"),
                               ("test", "--preset=nonsense"), ("test", "--without=nonsense"), ("tour", "--nonsense"),
                               ("check", "nonsense"),
                               ("bench", "--nonsense"), ("bench-bindings", "--nonsense"),
                               ("bench-bindings", "nonsense"), ("mutate", "--nonsense"), ("mutate", "nonsense"),
                               ("wrapped", "nonsense"), ("setup", "nonsense"), ("package", "nonsense"),
                               ("release", "nonsense")):
            done = run(name, argument)
            self.assertEqual(done.returncode, 2, f"{name} {argument}: {done.stderr}")
            self.assertIn("nonsense", done.stderr)
            self.assertIn("expected", done.stderr)

    def test_test_refuses_what_ctest_would_pass_over(self):
        done = run("test", "codec")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("-R codec", done.stderr)
        for wrong in (("--output-on-failur",), ("-R", "x", "--tests-regx=y"), ("--preset", "debug", "-R", "x", "y")):
            self.assertEqual(run("test", *wrong).returncode, 2, wrong)

    def test_mutate_lists_what_fits_a_line_and_changes_nothing(self):
        with tempfile.TemporaryDirectory(prefix="bp-mutate-", dir=os.path.join(ROOT, "tests")) as folder:
            path = os.path.join(folder, "sample.cpp")
            text = "if (a < b && !done) ++count;  // if (x == y)\nreset(a,\n      b);\nreturn a;\n"
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            name = os.path.relpath(path, ROOT)

            def listed(place, *changes):
                done = run("mutate", f"{name}:{place}", *changes, "--list")
                self.assertEqual(done.returncode, 0, done.stderr)
                return [line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()[1:]]

            rest = "  // if (x == y)"
            self.assertEqual(listed(1), [["drop", ";"], ["negate", f"if (!(a < b && !done)) ++count;{rest}"],
                                         ["compare", "if (a <= b && !done) ++count;"],
                                         ["logic", "if (a < b || !done) ++count;"],
                                         ["step", "if (a < b && !done) --count;"]])
            self.assertEqual(listed("2-3"), [["drop", ";"]])
            self.assertEqual(listed(1, "s/done/true/"), [["s/done/true/", f"if (a < b && !true) ++count;{rest}"]])
            self.assertEqual(listed(1, "3"), [["compare", "if (a <= b && !done) ++count;"]])
            for place, change, told in (("2", "drop", "expected one of"), ("4", "drop", "s/OLD/NEW/"),
                                        ("1", "s/nowhere/x/", "changes nothing"), ("9", "drop", "has 4 lines"),
                                        ("1", "s/(/x/", "regular expression")):
                done = run("mutate", f"{name}:{place}", change)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(told, done.stderr)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), text)

    def test_setup_is_satisfied_where_the_tests_run(self):
        done = run("setup", "--check", "wrapped", "bindings")
        self.assertEqual((done.returncode, done.stdout), (0, ""))


class SetupElsewhere(unittest.TestCase):
    """setup on a system with another set of tools: a PATH that has only some."""

    def setUp(self):
        self.bin = tempfile.mkdtemp(prefix="bp-setup-")
        self.addCleanup(shutil.rmtree, self.bin)
        for tool in ("bash", "dirname", "sed", "tr", "awk", "cat"):
            os.symlink(shutil.which(tool), os.path.join(self.bin, tool))

    def tool(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/bash\n" + text)
        os.chmod(path, 0o755)

    def setup_there(self):
        return run("setup", env={"PATH": self.bin})

    def test_a_system_without_dpkg_is_told_what_to_do(self):
        done = self.setup_there()
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected Debian 12", done.stderr)
        self.assertIn("scripts/setup --list", done.stderr)

    def test_a_user_without_sudo_is_given_the_command_for_an_administrator(self):
        self.tool("dpkg-query", "echo 'installed cmake'\nexit 1\n")
        self.tool("id", 'if [ "$1" = -u ]; then echo 1000; else echo somebody; fi\n')
        done = self.setup_there()
        self.assertEqual(done.returncode, 1)
        self.assertIn("found user somebody and no sudo", done.stderr)
        self.assertIn("apt-get install --no-install-recommends ninja-build g++", done.stderr)

    def test_a_failing_apt_is_tried_twice_and_then_reported(self):
        self.tool("dpkg-query", "exit 1\n")
        self.tool("id", "echo 0\n")
        self.tool("env", 'shift\nexec "$@"\n')
        self.tool("apt-get", "echo 'apt-get was asked' >&2\nexit 100\n")
        done = self.setup_there()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("apt-get was asked"), 2)
        self.assertIn("apt-get could not install: cmake", done.stderr)


class Build(unittest.TestCase):
    """scripts/build and the presets, on a project that builds fast, in a directory of its own."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="bp-build-")
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(os.path.join(ROOT, "scripts"), os.path.join(self.root, "scripts"))
        shutil.copy(os.path.join(ROOT, "CMakePresets.json"), self.root)
        self.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES CXX)\n"
                   "message(STATUS \"sanitize: ${BACKPLANE_SANITIZE}, ${CMAKE_BUILD_TYPE}\")\nadd_library(p a.cpp)\n"
                   "if(EXISTS ${CMAKE_SOURCE_DIR}/host/CMakeLists.txt)\nadd_subdirectory(host)\nendif()\n")
        self.write("a.cpp", "int a;\n")

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def build(self, *arguments):
        return subprocess.run([os.path.join(self.root, "scripts", "build"), *arguments], capture_output=True, text=True,
                              check=False)

    def builds(self, *arguments):
        done = self.build(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_it_configures_once_and_again_only_for_a_reason(self):
        self.assertIn("configuring preset release", self.builds())
        self.assertTrue(os.path.exists(os.path.join(self.root, "compile_commands.json")))
        again = self.builds()
        self.assertNotIn("configuring", again)
        self.assertIn("no work to do", again)
        self.write("host/CMakeLists.txt", "message(STATUS \"a new room\")\n")
        self.assertIn("a new room", self.builds())

    def test_test_leaves_out_the_bindings_for_a_language(self):
        names = ("bindings_c_calls", "bindings_cpp_calls", "bindings_typescript", "bindings_typescript_cross", "other",
                 "more")
        with open(os.path.join(self.root, "CMakeLists.txt"), "a", encoding="utf-8") as file:
            file.write("enable_testing()\n" + "".join(f"add_test(NAME {name} COMMAND true)\n" for name in names))

        def runs(*arguments):
            done = subprocess.run([os.path.join(self.root, "scripts/test"), "--without", "typescript", *arguments],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return [name for name in names if f": {name} ." in done.stdout]

        self.assertEqual(runs(), ["bindings_c_calls", "bindings_cpp_calls", "other", "more"])
        self.assertEqual(runs("--without=c", "-E", "^oth"), ["bindings_cpp_calls", "more"])

    def test_the_sanitizer_presets_have_directories_of_their_own(self):
        self.assertIn("sanitize: address,undefined, RelWithDebInfo", self.builds("asan"))
        self.assertIn("sanitize: thread, RelWithDebInfo", self.builds("tsan"))
        self.assertEqual(sorted(name for name in os.listdir(self.root) if name.startswith("build")),
                         ["build-asan", "build-tsan"])

    def test_a_cache_of_another_place_or_generator_is_made_anew(self):
        self.write("build/CMakeCache.txt", "CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\nCMAKE_GENERATOR:INTERNAL=Ninja\n")
        self.assertIn("build/ was configured for /elsewhere with Ninja; recreating it", self.builds())
        self.write("build/CMakeCache.txt", f"CMAKE_HOME_DIRECTORY:INTERNAL={self.root}\n"
                   "CMAKE_GENERATOR:INTERNAL=Unix Makefiles\n")
        self.assertIn("with Unix Makefiles; recreating it", self.builds())

    def test_what_does_not_compile_is_an_error(self):
        self.write("a.cpp", "int a\n")
        done = self.build()
        self.assertEqual(done.returncode, 1)
        self.assertIn("preset release does not build", done.stderr)

    def test_the_bench_asks_a_program_that_is_up_to_date_before_it_builds(self):
        os.mkdir(os.path.join(self.root, "tests"))
        shutil.copytree(os.path.join(ROOT, "tests/benchmark"), os.path.join(self.root, "tests/benchmark"))
        self.write("build/bin/backplane-bench", "#!/bin/bash\necho \"asked: $*\" >&2\nexit 2\n")
        program = os.path.join(self.root, "build/bin/backplane-bench")
        os.chmod(program, 0o755)

        def bench(program_is_newer_by):
            newest = max(os.stat(os.path.join(folder, name)).st_mtime for folder, _, names in
                         os.walk(os.path.join(self.root, "tests/benchmark")) for name in (".", *names))
            os.utime(program, (newest + program_is_newer_by,) * 2)
            return subprocess.run([os.path.join(self.root, "scripts/bench"), "--row", "nonsense"], capture_output=True,
                                  text=True, check=False)

        done = bench(10)
        self.assertEqual((done.returncode, done.stderr), (2, "asked: --list --row nonsense\n"))
        self.assertNotIn("asked: --list", bench(-10).stderr)

    def test_one_target_may_be_named(self):
        self.assertNotEqual(self.build("release", "nothing").returncode, 0)
        self.builds("release", "p")


if __name__ == "__main__":
    unittest.main()
