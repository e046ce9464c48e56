#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the whole modules that the docs show: that of docs/sdk.md with g++ and with CMake, in a tree of its own.

doc_example.py SOURCE_DIR COMPILER CMAKE
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

source, compiler, cmake = sys.argv[1:]
page = (Path(source) / "docs" / "sdk.md").read_text(encoding="utf-8")
interfaces = (Path(source) / "docs" / "interfaces.md").read_text(encoding="utf-8")


def block(language, having, page=page):
    for found in re.findall(rf"```{language}\n(.*?)```", page, re.S):
        if having in found:
            return found
    sys.exit(f"the page has no {language} block with {having!r} any more")


def check(module):
    exported = subprocess.check_output(["nm", "-D", "--defined-only", "--format=posix", module], text=True)
    if exported.split()[:1] != ["backplane_module"] or len(exported.splitlines()) != 1:
        sys.exit(f"{module} exports\n{exported}expected backplane_module alone")
    shown = subprocess.check_output(["readelf", "-p", ".bp.cddl", module], text=True)
    for rule in block("cddl", "greet.hello").splitlines():
        if rule not in shown:
            sys.exit(f"docs/sdk.md shows\n{rule}\nthe module has\n{shown}")


with tempfile.TemporaryDirectory() as folder:
    environment = os.environ | {"BACKPLANE": source}
    Path(folder, "greet.cpp").write_text(block("cpp", "struct Greeting"), encoding="utf-8")
    if "g++" in Path(compiler).name or Path(compiler).name == "c++":
        command = block("sh", "greet.so").replace("g++", compiler, 1)
        subprocess.run(["sh", "-ec", command], cwd=folder, env=environment, check=True)
        check(f"{folder}/greet.so")
        Path(folder, "fibers.cpp").write_text(block("cpp", "backplane::Yield<int>"), encoding="utf-8")
        subprocess.run(["sh", "-ec", command.replace("greet", "fibers").rstrip() + " -Wall -Wextra -Werror"], cwd=folder,
                       env=environment, check=True)
        Path(folder, "post.cpp").write_text(block("cpp", "namespace post", interfaces), encoding="utf-8")
        subprocess.run(["sh", "-ec", command.replace("greet", "post").rstrip() + " -Wall -Wextra -Werror"], cwd=folder,
                       env=environment, check=True)
        subprocess.run(["objcopy", "-O", "binary", "--only-section=.bp.cddl", "--set-section-flags=.bp.cddl=alloc",
                        "post.so", "post.cddl"], cwd=folder, check=True)
        text = Path(folder, "post.cddl").read_text(encoding="utf-8").strip("\0")  # objcopy fills up to the address
        if text != block("cddl", "post.send", interfaces):
            sys.exit(f"docs/interfaces.md shows another text than the module has:\n{text}")
    Path(folder, "CMakeLists.txt").write_text(block("cmake", "project(greet"), encoding="utf-8")
    subprocess.run([cmake, "-S", folder, "-B", f"{folder}/build", f"-DCMAKE_CXX_COMPILER={compiler}"],
                   env=environment, check=True)
    subprocess.run([cmake, "--build", f"{folder}/build"], env=environment, check=True)
    check(f"{folder}/build/greet.so")
