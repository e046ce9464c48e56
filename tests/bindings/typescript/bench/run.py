#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls in Node against a bare request and reply of the same bytes in Node, and partial replies.

    BACKPLANE_BUILD=build BACKPLANE_TOOLS=.cache/bindings tests/bindings/typescript/bench/run.py [--json] [--strict]

| column | meaning |
|---|---|
| floor | the same bytes in Node, against a bare server in C |
| by hand | the same bytes in Node, against the host: what the host costs |
| client | calls of generated code |
| ratio | how many times slower than the floor, the median of rounds in turns |
| CPU | microseconds of processor time in Node |

With --strict, exit code 1 if a call one by one takes more than 1.5 times as long. The machine must be idle.
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
LIBRARY = prepare.BUILD.resolve() / "lib"


def start_host(folder):
    modules = [part for name in ("echo", "streams") for part in ("--module", prepare.modules()[name])]
    host = subprocess.Popen([prepare.BUILD / "bin" / "backplane", "run", "--socket", folder / "host.sock", "--data-dir",
                             folder / "data", "--log-level", "warn", *modules], stderr=subprocess.PIPE, text=True)
    for line in host.stderr:
        if "run: ready on" in line:
            return host
    raise SystemExit("the host does not start")


def shown(row):
    def cell(value, unit):
        return f"{value}{unit}" if value is not None else ""

    cells = [cell(row["floor"], "/s"), cell(row.get("by_hand"), "/s"), cell(row["client"], "/s"), cell(row["ratio"], "x"),
             cell(row.get("ratio_of_host"), "x"), cell(row.get("ratio_of_client"), "x"), cell(row.get("client_cpu_us"), " us")]
    return f"{row['name']:<32}" + "".join(f"{each:>12}" for each in cells)


def main(options):
    with prepare.installed([]) as folder, tempfile.TemporaryDirectory(prefix="bp-bench-") as name:
        for file in ("bench.mjs", "bare.mjs"):
            shutil.copy(HERE / file, folder)
        prepare.compile_generated(folder)
        here = pathlib.Path(name)
        compiler = [os.environ.get("CC", "cc"), "-O2"]
        prepare.run(*compiler, "-o", here / "echo_server", HERE / "echo_server.c")
        prepare.run(*compiler, "-o", here / "c_client", HERE / "c_client.c", "-I", prepare.ROOT / "abi" / "include",
                    f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lbackplane")
        host = start_host(here)
        try:
            text = prepare.run("node", "bench.mjs", here / "host.sock", here / "echo_server", here / "c_client", cwd=folder)
        finally:
            host.terminate()
            host.wait(20)
    rows = [json.loads(line) for line in text.splitlines()]
    if "--json" in options:
        print(text, end="")
    else:
        print(" " * 32 + "".join(f"{each:>12}" for each in ("floor", "by hand", "client", "ratio", "of host", "of client", "CPU")))
        print("\n".join(map(shown, rows)))
    return int("--strict" in options and any(row["ratio"] > BOUND for row in rows if row["name"] == "echo.shout, one by one"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
