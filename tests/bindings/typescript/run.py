#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test files of this folder with Node, against the packed package and generated code."""
import os
import subprocess
import sys

import prepare


def main(tests):
    environment = {**os.environ, "BACKPLANE_ROOT": str(prepare.ROOT)}
    files = [*tests, *(each.name for each in prepare.HERE.glob("support*.mjs")), "uses.ts"]
    with prepare.installed(files) as folder:
        prepare.compile_generated(folder)
        # Files run one after another: each has hosts of its own.
        return max(subprocess.run(["node", "--test", name], cwd=folder, env=environment, check=False).returncode
                   for name in tests)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
