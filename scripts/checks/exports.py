#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every module exports exactly one symbol, backplane_module; the library exports bp_ names only."""

import glob
import os
import subprocess
import sys

import common

MODULE_SYMBOL = "backplane_module"


def exported(path):
    done = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"exports.py: nm cannot read {path}: {done.stderr.strip()}")
        sys.exit(2)
    # "0000000000003d60 D backplane_module"; a version definition of the linker's own is of type A.
    rows = [line.split() for line in done.stdout.splitlines()]
    return [row[-1].split("@")[0] for row in rows if len(row) == 3 and row[1] != "A"]


def main():
    options = common.arguments(__doc__, build=(None, "the build directory (default: build/ under the root)"))
    build = options.build or os.path.join(options.root, "build")
    modules = sorted(glob.glob(os.path.join(build, "plugins", "*.so")))
    libraries = sorted(glob.glob(os.path.join(build, "lib", "libbackplane.so")))
    if not modules:
        print(f"exports.py: found no modules in {build}/plugins; build first: scripts/build")
        sys.exit(2)
    findings = common.Findings()
    for path in modules:
        names = exported(path)
        if names != [MODULE_SYMBOL]:
            findings.add(path, 1, f"exports {', '.join(sorted(names)[:8]) or 'nothing'}"
                         f" ({len(names)} in all); expected {MODULE_SYMBOL} alone;"
                         " build it with backplane_add_plugin()")
    for path in libraries:
        for name in exported(path):
            if not name.startswith("bp_"):
                findings.add(path, 1, f"exports {name}; expected bp_ names alone; hide it")
    findings.finish(modules)


if __name__ == "__main__":
    main()
