#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what calls through the bindings cost, each row in turns with its floor, and prints a table.

usage: scripts/bench-bindings [--quick] [--json] [LANG…]

  LANG       c, cpp, python, ctypes or rust; without any, all of them
  --quick    fewer rounds: one second for each row instead of five
  --json     the rows as an array of {row, value, unit, against, floor, ratio, above, reach, met}, and nothing else on
             stdout
  --list     lists the languages; runs none
  --smoke    each row for a moment, to see that it runs; the figures mean nothing

Exit code: 0 if every row was measured and its answers were right, whether what is to be reached is reached or not; 1 if
one was not; 2 for wrong arguments.

In the table, ratio is value / floor, and above is value - floor. Both are medians of many rounds.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD = pathlib.Path(os.environ.get("BACKPLANE_BUILD", ROOT / "build"))
PLUGINS = BUILD / "plugins"
LEGEND = """floor: the same without the bindings, measured in turns with the row. ratio: value / floor. above: value - floor.
reach: what is to be reached. met: whether it is."""


# ---- The programs. Each takes `--seconds S`, measures its rows for so long, and prints a line of JSON for each:
# {"row", "value", "unit", "against", "floor", "reach"}. The unit is "ns" or a rate, such as "parts/s". "reach" is null,
# or a text: "ratio <= 1.1", "above <= 100 ns". All else goes to stderr.


def native(language):
    def command(*_):
        return [BUILD / "tests" / "bin" / f"bindings_bench_{language}"], {}

    return command


def python(backend):
    def command(work, _):
        modules = [str(PLUGINS / f"{name}.so") for name in ("echo", "timer")]
        subprocess.run([str(BUILD / "bin" / "backplane"), "bindgen", "python", *modules, "-o", str(work)], check=True,
                       stdin=subprocess.DEVNULL)
        environment = {"PYTHONPATH": str(BUILD / "python"), "BACKPLANE_BACKEND": backend,
                       "BACKPLANE_LIBRARY": str(BUILD / "lib" / "libbackplane.so")}
        return ["/usr/bin/python3", "-B", HERE / "bench_python.py", PLUGINS, work], environment

    return command


def rust(_, smoke):
    os.environ["BACKPLANE_BUILD"] = str(BUILD)
    sys.path.insert(0, str(HERE.parent / "rust"))
    import rust_test  # it has the paths of cargo, and prepares the package

    rust_test.prepare()
    # The tests of the crate have built most of the other one already.
    profile, folder = ((), "debug") if smoke else (("--release",), "release")
    rust_test.cargo("build", *profile, "--bin", "bench")
    return [rust_test.WORK / "target" / folder / "bench", PLUGINS], rust_test.ENVIRONMENT


#: A language is a line here: its name, and what gives its command (without --seconds) and environment from a folder of
#: its own and whether this is a smoke run.
PROGRAMS = {
    "c": native("c"),
    "cpp": native("cpp"),
    "python": python("cffi"),
    "ctypes": python("ctypes"),
    "rust": rust,
}


# ---- Running them ----


def measure(language, seconds, smoke):
    """The rows of a language. Raises RuntimeError with the reason if it fails."""
    with tempfile.TemporaryDirectory(prefix="bp-bench-") as work:
        try:
            command, environment = PROGRAMS[language](pathlib.Path(work), smoke)
            done = subprocess.run([*map(str, command), "--seconds", str(seconds)], env={**os.environ, **environment},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        except (OSError, subprocess.SubprocessError, AssertionError) as wrong:
            raise RuntimeError(str(wrong)) from wrong
    return [judged(json.loads(line)) for line in done.stdout.splitlines()]


def judged(row):
    """The row with what follows from its figures."""
    value, floor = row["value"], row["floor"]
    made = {**row, "ratio": value / floor, "above": value - floor if row["unit"] == "ns" else None, "met": None}
    if row["reach"] is not None:
        of, sign, limit = row["reach"].split()[:3]
        made["met"] = made[of] <= float(limit) if sign == "<=" else made[of] >= float(limit)
    return {name: made[name] for name in ("row", "value", "unit", "against", "floor", "ratio", "above", "reach", "met")}


def readable(value, unit):
    if value is None:
        return "–"
    for least, factor, prefix in ((1e6, 1e6, "M "), (1e4, 1e3, "k ")):
        if unit != "ns" and value >= least:
            return f"{value / factor:.4g} {prefix}{unit}"
    for least, factor, larger in ((1e6, 1e6, "ms"), (1e4, 1e3, "us")):
        if unit == "ns" and abs(value) >= least:
            return f"{value / factor:.4g} {larger}"
    return f"{value:.4g} {unit}"


def table(rows):
    lines = ["| row | value | against | floor | ratio | above | reach | met |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        unit, met = row["unit"], {None: "–", True: "yes", False: "no"}[row["met"]]
        cells = [row["row"], readable(row["value"], unit), row["against"], readable(row["floor"], unit),
                 f"{row['ratio']:.3g}", readable(row["above"], unit), row["reach"] or "–", met]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments):
    parser = argparse.ArgumentParser(prog="bench-bindings", usage="%(prog)s [--quick] [--json] [LANG…]")
    parser.add_argument("languages", nargs="*")
    for name in ("quick", "json", "smoke", "list"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args(arguments)
    for language in options.languages:
        if language not in PROGRAMS:
            parser.error(f"found the language '{language}'; expected one of {', '.join(PROGRAMS)}")
    if options.list:
        print("\n".join(PROGRAMS))
        return 0
    seconds = 0.02 if options.smoke else 1 if options.quick else 5
    rows, failed = [], 0
    for language in options.languages or PROGRAMS:
        print(f"bench: {language}", file=sys.stderr)
        try:
            rows += measure(language, seconds, options.smoke)
        except RuntimeError as wrong:
            print(f"bench: {language} failed: {wrong}", file=sys.stderr)
            failed = 1
    print(json.dumps(rows, indent=1) if options.json else f"{table(rows)}\n\n{LEGEND}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
