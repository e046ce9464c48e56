#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The steps of scripts/package, which sets up and describes the options."""

import fcntl
import os
import shutil
import subprocess
import sys
import time

import package_build
import package_root
import package_runtime_scenarios
import package_runtimes
import package_scenarios
from package_build import WORK, Failed, say


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


def sizes(folder, figures):
    for package in sorted(folder.glob("*.deb")):
        if "-dbgsym" not in package.name:
            figures[f"size of {field(package, 'Package')}"] = (
                f"{package.stat().st_size / 1024:.0f} KiB, installed {field(package, 'Installed-Size')} KiB")
    for package in sorted([*folder.glob("*.tgz"), *folder.glob("*.crate")]):
        figures[f"size of {package.name}"] = f"{package.stat().st_size / 1024:.0f} KiB"


def build(commit, name, clean):
    """The folder with all products."""
    folder = package_build.build(commit, name, clean)
    package_runtimes.build(folder / f"backplane-{commit.base}", folder)
    return folder


def take_work():
    """Keeps a second run out until this process ends, and removes what one that was killed has left."""
    folder = os.open(WORK, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Failed(f"another scripts/package works in {WORK}; wait for its end") from error
    if os.geteuid() == 0:
        shutil.rmtree(WORK / "roots", ignore_errors=True)  # their mounts have ended with their namespaces


def main():
    option = sys.argv[1] if len(sys.argv) > 1 else ""
    os.umask(0o022)
    WORK.mkdir(exist_ok=True)
    take_work()
    figures = {}
    commit = package_build.Commit()
    if package_build.git("status", "--porcelain", "--untracked-files=no"):
        say(f"there are changes that are not committed; building commit {commit.id[:10]} without them")
    first = WORK / "first"
    begin = time.monotonic()
    if not (option == "--boot" and package_build.is_built(commit, "first")):
        build(commit, "first", clean=False)
        figures["build"] = f"{time.monotonic() - begin:.0f} s"
    sizes(first, figures)
    if option == "--boot":
        import package_boot
        package_boot.main(first)
        return
    if option != "--build":
        package_build.lintian(first)
        figures["lintian"] = "0 errors, 0 warnings"
        package_runtimes.check_contents(first)
        if option != "--once":
            other = WORK / "second" / "in-a-folder-of-another-length"
            build(commit, other.relative_to(WORK), clean=True)
            figures["reproducible"] = f"{len(package_build.compare(first, other))} files equal in two builds"
        old = WORK / "older"
        shutil.rmtree(old, ignore_errors=True)
        package_build.older(first, old, "0.0.1")
        new, both = package_root.make_repository("new", first), package_root.make_repository("both", first, old)
        package_scenarios.all_of(new, both, ("0.0.1", commit.version), figures)
        package_runtime_scenarios.all_of(new, figures)
    for name, value in figures.items():
        print(f"  {name:<42} {value}")
    say(f"ok; the packages are in {first.relative_to(package_build.ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"package: {failure}")
