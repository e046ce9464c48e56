#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The ABI of the headers in abi/include is that of abi/baseline.xml: functions with their versions, structs, callback types
and the values of constants. `--update` writes the baseline again.

The headers alone are looked at, so no build is needed: a shared object is made from them in which each function that they
declare does nothing. That the library has the same functions, with the same versions, is the check `exports`; that it
defines them with the same types is the compiler's. The tools are abidw and abidiff (Debian: abigail-tools).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import common

BASELINE = "abi/baseline.xml"
MAP = "abi/library.map"
FUNCTION = re.compile(r"BP_EXPORTED\s+([^;{}]*?\b(bp_\w+)\s*\([^;{}]*\))\s*;", re.DOTALL)
INLINE = re.compile(r"static\s+inline\b[^;{}]*\)\s*\{")
ENUM = re.compile(r"\benum\s*\{\s*(\w+)")
TYPE = re.compile(r"typedef\b[^;{}]*?(?:\{[^{}]*\}[^;{}]*?|\(\s*\*\s*)?\b(bp_\w+)\s*(?:\)[^;{}]*)?;", re.DOTALL)


def die(text):
    print(f"abi.py: {text}")
    sys.exit(2)


def run(*command, ok=(0,)):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        die(f"found no {command[0]}; expected it on this machine; run scripts/setup")
    if done.returncode not in ok:
        die(f"{' '.join(command[:3])} … ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-2000:]}")
    return done


def without_bodies(text):
    """The text without inline functions: they are compiled into whoever uses them."""
    while True:
        match = INLINE.search(text)
        if match is None:
            return text
        depth, at = 1, match.end()
        while depth > 0:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        text = text[:match.start()] + text[at:]


def source_of(root):
    """(C source, number of functions): the headers, with a body for each function, a name for each enum, and a variable
    for each type, so that all of them are reachable from what the object exports."""
    include = os.path.join(root, "abi", "include")
    headers = [name.removeprefix("abi/include/") for name in common.files(root)
               if name.startswith("abi/include/") and name.endswith(".h") and "/draft/" not in name]
    if not headers:
        die("found no headers in abi/include; is --root the top of the tree?")
    wanted = "".join(f'#include "{name}"\n' for name in headers)
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write(wanted)
        file.flush()
        text = run("gcc", "-std=c11", "-E", "-P", f"-I{include}", file.name).stdout
    text = without_bodies(text.replace('__attribute__((visibility("default")))', "BP_EXPORTED "))
    functions = [match.group(2) for match in FUNCTION.finditer(text)]
    text = FUNCTION.sub(lambda match: f"{match.group(1)} {{ __builtin_trap(); }}", text)
    enums = []

    def named(match):
        enums.append(match.group(1))
        return f"enum constants_from_{match.group(1)} {{ {match.group(1)}"

    text = ENUM.sub(named, text)
    types = sorted(set(TYPE.findall(text)))
    anchors = [f"enum constants_from_{name} anchor_of_{name};" for name in enums]
    anchors += [f"{name}* anchor_of_{name};" for name in types]
    return text + "\n" + "\n".join(anchors) + "\n", len(functions)


def describe(root, folder):
    """The path of the XML that abidw makes of the headers."""
    source, functions = source_of(root)
    if functions == 0:
        die("found no function in abi/include; expected declarations with BP_EXPORT")
    paths = [os.path.join(folder, name) for name in ("headers.c", "headers.map", "libbackplane.so", "found.xml")]
    with open(paths[0], "w", encoding="utf-8") as file:
        file.write(source)
    versions = common.read(root, MAP) or die(f"found no {MAP}")
    with open(paths[1], "w", encoding="utf-8") as file:
        file.write(versions + "\nANCHORS { global: anchor_of_*; };\n")
    run("gcc", "-std=c11", "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types", "-fPIC", "-shared", "-o", paths[2],
        paths[0], f"-Wl,--version-script={paths[1]}")
    run("abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file", paths[3], paths[2])
    return paths[3], functions


def main():
    options = common.arguments(__doc__, update=(False, "write the baseline again"))
    baseline = os.path.join(options.root, BASELINE)
    findings = common.Findings()
    with tempfile.TemporaryDirectory(prefix="bp-abi-") as folder:
        found, functions = describe(options.root, folder)
        if options.update:
            shutil.copyfile(found, baseline)
            print(f"abi.py: wrote {BASELINE}: {functions} functions")
            return
        if not os.path.exists(baseline):
            die(f"found no {BASELINE}; expected the ABI as it is; run scripts/checks/abi.py --update")
        done = run("abidiff", "--harmless", "--no-show-locs", baseline, found, ok=range(256))
    if done.returncode & 3:
        die(f"abidiff ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-2000:]}")
    if done.returncode != 0:
        print(done.stdout.rstrip())
        findings.add(BASELINE, 1, "the headers declare another ABI than this (see above); expected no change, or one that"
                     " abi/README.md allows; take it back, or run scripts/checks/abi.py --update")
    findings.finish(functions)


if __name__ == "__main__":
    main()
