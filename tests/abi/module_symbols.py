# SPDX-License-Identifier: Apache-2.0
"""Every bundled module exports backplane_module and nothing else, and has nothing that would pin it."""
import pathlib
import subprocess
import sys


def dynamic_symbols(nm: str, module: pathlib.Path) -> list[tuple[str, str]]:
    """(type, name) of each dynamic symbol, as nm prints them; versions are cut off the names."""
    out = subprocess.run([nm, "-D", module], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return [(row[-2], row[-1].split("@")[0]) for row in rows]


def faults_of(symbols: list[tuple[str, str]]) -> list[str]:
    faults = []
    exported = sorted(name for kind, name in symbols if kind not in "Uwv")
    if exported != ["backplane_module"]:
        faults.append(f"exports {exported}; expected backplane_module alone: build it with backplane_add_plugin()")
    unique = [name for kind, name in symbols if kind == "u"]
    if unique:
        faults.append(f"has unique symbols {unique}: build it with -fno-gnu-unique")
    if any(name.startswith("__cxa_thread_atexit") for _, name in symbols):
        faults.append("has a thread_local with a destructor: keep that state in the instance")
    return faults


def main(nm: str, directory: pathlib.Path) -> int:
    modules = sorted(directory.glob("*.so"))
    wrong = [f"{module.name}: {fault}" for module in modules for fault in faults_of(dynamic_symbols(nm, module))]
    print("\n".join(wrong) or f"{len(modules)} modules looked at in {directory}")
    return 1 if wrong or not modules else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
