#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is guarded by a mutex is touched with that mutex held, and what belongs to one thread on that thread alone:
clang's thread safety analysis of host/, whose
annotations are in host/sync/mutex.hpp."""

import concurrent.futures
import os
import re
import shlex
import subprocess
import sys

import common

CLANG = "clang++-14"
FINDING = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+):\d+: (?:fatal )?error: (?P<what>.*?)(?: \[[^]]*\])?$")
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wno-everything", "-Wthread-safety", "-Werror=thread-safety", "-fno-caret-diagnostics"]


def includes(root):
    """Where the headers are: our own, and those of the packages that pkg-config knows."""
    flags = [f"-I{os.path.join(root, folder)}" for folder in ("host", "abi/include", "plugin_sdk/include")]
    packages = subprocess.run(["pkg-config", "--cflags", "spdlog"], capture_output=True, text=True, check=False)
    return flags + ["-DBOOST_DLL_USE_STD_FS", "-DBOOST_ASIO_NO_DEPRECATED", '-DBP_SUPPORT_DIR=""'] + shlex.split(packages.stdout)


def analyse(root, name, flags):
    command = [CLANG, *FLAGS, *flags, os.path.join(root, name)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    names = [name for name in common.files(options.root) if name.startswith("host/") and name.endswith(".cpp")]
    names = [name for name in names if not name.startswith("host/cli/")]  # one thread, but for a signal
    flags = includes(options.root)
    seen = set()
    try:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for output in pool.map(lambda name: analyse(options.root, name, flags), names):
                for line in output.splitlines():
                    found = FINDING.match(line)
                    if found is None or line in seen:
                        continue
                    seen.add(line)
                    path = os.path.relpath(os.path.realpath(found["path"]), os.path.realpath(options.root))
                    findings.add(path, found["line"], f"{found['what']}; expected that the lock is held where it is "
                                 "needed; take it, or say BP_REQUIRES")
    except FileNotFoundError:
        print(f"{CLANG} is not there; scripts/setup installs it", file=sys.stderr)
        sys.exit(2)
    findings.finish(names)


if __name__ == "__main__":
    main()
