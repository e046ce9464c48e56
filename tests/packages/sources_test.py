#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Projects that have Backplane's sources as a part: by add_subdirectory() and by FetchContent."""

import json
import shutil
import unittest

from outside import CONSUMERS, SOURCE, Case

USES = """
backplane_add_plugin(greeter SOURCES greeter.cpp)
backplane_add_plugin(counter SOURCES counter.c)
add_executable(application EXCLUDE_FROM_ALL main.c)
target_link_libraries(application PRIVATE Backplane::backplane)
add_executable(other other.c)
"""


class Sources(Case):
    def project(self, name, part):
        project = self.dir / name
        project.mkdir()
        for source in ("cmake_module/greeter.cpp", "pkg_config_module/counter.c", "c_application/main.c"):
            shutil.copy(CONSUMERS / source, project)
        (project / "other.c").write_text("int main(void) { return 0; }\n")
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(whole C CXX)\nenable_testing()\n" + part + USES)
        return project

    def check(self, project, *built):
        build = self.build(project, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", targets=[*built, "other"])
        for module in built:
            self.assertTrue((build / f"{module}.so").is_file(), module)
        commands = {entry["file"].rsplit("/", 1)[1]: entry["command"].split()
                    for entry in json.loads((build / "compile_commands.json").read_text())
                    if entry["file"].startswith(str(project))}
        plain = [word for word in commands["other.c"] if word.startswith(("-W", "-f", "-std", "-D", "-I", "-isystem"))]  # NDEBUG: of Release
        self.assertEqual(plain, ["-DNDEBUG"], "the project's own files get options of Backplane")
        listed, _ = self.runs("ctest", "--test-dir", build, "-N")
        self.assertIn("Total Tests: 0", listed.decode())
        targets, _ = self.runs("ninja", "-C", build, "-t", "targets", "all")
        for absent in ("echo", "kv", "backplane_cli"):
            self.assertNotIn(f"\n{absent}: phony", targets.decode())
        rules = "".join(each.read_text() for each in build.rglob("cmake_install.cmake"))
        self.assertNotIn("libbackplane", rules)
        # The application would take minutes. What Ninja would build for it has the library, and its trial program.
        plan, _ = self.runs("ninja", "-C", build, "-n", "-v", "application")
        self.assertRegex(plan.decode(), r"-o \S*lib/libbackplane\.so")
        self.assertRegex(plan.decode(), r"-o \S*lib/libbackplane0/backplane-trial")

    def test_add_subdirectory(self):
        self.check(self.project("by_directory", f'add_subdirectory("{SOURCE}" backplane)\n'), "greeter", "counter")

    def test_fetch_content(self):
        self.check(self.project("by_fetching", f'include(FetchContent)\nFetchContent_Declare(backplane SOURCE_DIR "{SOURCE}")\n'
                                               "FetchContent_MakeAvailable(backplane)\n"), "counter")


if __name__ == "__main__":
    unittest.main()
