#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every module exports exactly one symbol, backplane_module. The library exports the functions that the headers
in abi/include declare, each with the version that abi/library.map gives it, and nothing else."""

import glob
import os
import re
import subprocess
import sys

import common
import thread_tags

MODULE_SYMBOL = "backplane_module"
MAP = "abi/library.map"
COMMENT = re.compile(r"/\*.*?\*/|#[^\n]*", re.DOTALL)
NODE = re.compile(r"(?P<version>[\w.]*)\s*\{(?P<body>[^}]*)\}[^;]*;")
LABELED = re.compile(r"(global|local)\s*:|([^\s;:]+)\s*;")


def exported(path):
    """Name to version of each exported symbol; the version is empty where there is none."""
    done = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"exports.py: nm cannot read {path}: {done.stderr.strip()}")
        sys.exit(2)
    # "0000000000003d60 T bp_submit@@BACKPLANE_1"; the definition of a version itself is of type A.
    rows = [line.split() for line in done.stdout.splitlines()]
    symbols = [row[-1].partition("@") for row in rows if len(row) == 3 and row[1] != "A"]
    return {name: version.lstrip("@") for name, _, version in symbols}


def declared(root):
    """Name to place of each bp_ function in the headers; callbacks and members of structs are none."""
    places = {}
    for name in common.files(root):
        if name.startswith("abi/include/") and name.endswith(".h"):
            for _, declaration in thread_tags.declarations(common.read(root, name) or ""):
                function = thread_tags.function_name(declaration)
                # What is static lies in the header, for whoever includes it.
                if function and function.startswith("bp_") and declaration[0].text not in ("typedef", "static"):
                    places[function] = (name, declaration[0].first)
    return places


def mapped(root):
    """(name, version, line) of each name that the map exports."""
    text = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), common.read(root, MAP) or "")
    for node in NODE.finditer(text):
        label = "global"
        for entry in LABELED.finditer(node["body"]):
            label = entry.group(1) or label
            if entry.group(2) and label == "global":
                yield entry.group(2), node["version"], text.count("\n", 0, node.start("body") + entry.start()) + 1


def check_modules(findings, modules):
    for path in modules:
        names = sorted(exported(path))
        if names != [MODULE_SYMBOL]:
            findings.add(path, 1, f"exports {', '.join(names[:8]) or 'nothing'}"
                         f" ({len(names)} in all); expected {MODULE_SYMBOL} alone;"
                         " build it with backplane_add_plugin()")


def check_map(root, findings):
    """Name to version, as the map has it."""
    functions, versions = declared(root), {}
    for name, version, line in mapped(root):
        if name in versions:
            findings.add(MAP, line, f"names {name} twice; expected one version for each function; remove one of them")
        elif not version:
            findings.add(MAP, line, f"names {name} without a version; expected a node like BACKPLANE_1")
        elif name not in functions:
            findings.add(MAP, line, f"names {name}, which no header in abi/include declares; expected each function by"
                         " its name; declare it or remove it")
        versions.setdefault(name, version)
    for name in sorted(functions.keys() - versions.keys()):
        findings.add(*functions[name], f"{name} is not in {MAP}; expected every function there;"
                     " add it to the node of the next version")
    return versions


def check_library(findings, path, versions):
    symbols = exported(path)
    for name, version in sorted(symbols.items()):
        if name not in versions:
            findings.add(path, 1, f"exports {name}; expected only what {MAP} names; hide it")
        elif version != versions[name]:
            findings.add(path, 1, f"exports {name} with version '{version}'; expected '{versions[name]}';"
                         f" link it with {MAP}")
    for name in sorted(versions.keys() - symbols.keys()):
        findings.add(path, 1, f"does not export {name}; expected all that {MAP} names; define it with BP_EXPORT")


def main():
    options = common.arguments(__doc__, build=(None, "the build directory (default: build/ under the root)"))
    build = options.build or os.path.join(options.root, "build")
    modules = sorted(glob.glob(os.path.join(build, "plugins", "*.so")))
    libraries = sorted(glob.glob(os.path.join(build, "lib", "libbackplane.so")))
    if not modules:
        print(f"exports.py: found no modules in {build}/plugins; build first: scripts/build")
        sys.exit(2)
    findings = common.Findings()
    check_modules(findings, modules)
    if libraries or os.path.exists(os.path.join(options.root, MAP)):
        versions = check_map(options.root, findings)
        for path in libraries:
            check_library(findings, path, versions)
    findings.finish(modules)


if __name__ == "__main__":
    main()
