#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls in Node against a bare request and reply of the same bytes in Node, and partial replies per second.

    BACKPLANE_BUILD=build BACKPLANE_TOOLS=.cache/bindings tests/bindings/typescript/bench/run.py [--json] [--strict]

The floor is a server in C, beside which the host runs. With --strict, exit code 1 if a call takes more than 1.5 times as
long. The machine must be idle.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import prepare  # noqa: E402

BOUND = 1.5


def start_host(folder):
    modules = [part for name in ("echo", "streams") for part in ("--module", prepare.modules()[name])]
    host = subprocess.Popen([prepare.BUILD / "bin" / "backplane", "run", "--socket", folder / "host.sock", "--data-dir",
                             folder / "data", "--log-level", "warn", *modules], stderr=subprocess.PIPE, text=True)
    for line in host.stderr:
        if "run: ready on" in line:
            return host
    raise SystemExit("the host does not start")


def main(options):
    with prepare.installed([]) as folder, tempfile.TemporaryDirectory(prefix="bp-bench-") as name:
        shutil.copy(HERE / "bench.mjs", folder)
        prepare.compile_generated(folder)
        server = pathlib.Path(name) / "echo_server"
        prepare.run(os.environ.get("CC", "cc"), "-O2", "-o", server, HERE / "echo_server.c")
        host = start_host(pathlib.Path(name))
        try:
            rows = json.loads(prepare.run("node", "bench.mjs", pathlib.Path(name) / "host.sock", server, "--json", cwd=folder))
        finally:
            host.terminate()
            host.wait(20)
    for row in rows:
        floor = f"   floor {row['floor']:>8}/s   {row['ratio']:.2f}x" if "floor" in row else ""
        print(json.dumps(row) if "--json" in options else f"{row['name']:<24}{row['per_second']:>8}/s{floor}")
    return int("--strict" in options and any(row.get("ratio", 0) > BOUND for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
