# SPDX-License-Identifier: Apache-2.0
"""The broken test modules are broken as their names say: a loader test proves nothing on a sound file."""
import pathlib
import signal
import subprocess
import sys

from manifest_sections import entries, section
from module_symbols import dynamic_symbols

nm, objcopy, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
wrong = []


def expect(truth: bool, name: str, text: str) -> None:
    if not truth:
        wrong.append(f"{name}: {text}")


def map_it(name: str) -> subprocess.CompletedProcess:
    code = f"import ctypes, os; ctypes.CDLL({str(directory / (name + '.so'))!r}, mode=os.RTLD_NOW)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def symbols(name: str) -> list[tuple[str, str]]:
    return dynamic_symbols(nm, directory / f"{name}.so")


def manifest(name: str) -> list[tuple[str, str]]:
    return entries(objcopy, directory / f"{name}.so")


expect(not section(objcopy, directory / "not_a_module.so", ".bp.manifest"), "not_a_module", "it has a manifest")
expect("backplane_module" not in dict((n, k) for k, n in symbols("no_entry")), "no_entry", "it has an entry")
expect(len(manifest("no_entry")) == 3, "no_entry", "it has no manifest")
expect(len([n for k, n in symbols("two_exports") if k in "DTRB"]) == 2, "two_exports", "it has not two exports")
expect(any(n.startswith("__cxa_thread_atexit") for _, n in symbols("tls_destructor")), "tls_destructor", "no destructor")
if (directory / "gnu_unique.so").exists():
    expect(any(k == "u" for k, _ in symbols("gnu_unique")), "gnu_unique", "it has no unique symbol")
expect("backplane_test_function_nobody_has" in map_it("missing_symbol").stderr, "missing_symbol", "it can be mapped")
expect(map_it("aborting_constructor").returncode == -signal.SIGABRT, "aborting_constructor", "it does not abort")
expect(map_it("newer_minor").returncode == 0, "newer_minor", "it cannot be mapped")
expect(len([v for k, v in manifest("duplicate_key") if k == "name"]) == 2, "duplicate_key", "one name only")
expect(("abi", "2.0") in manifest("wrong_major"), "wrong_major", "another ABI version")

print("\n".join(wrong) or "all faults are there")
sys.exit(1 if wrong else 0)
