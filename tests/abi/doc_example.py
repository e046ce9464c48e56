# SPDX-License-Identifier: Apache-2.0
"""The complete module in docs/abi.md compiles without a warning, links, and exports what it must."""
import pathlib
import re
import subprocess
import sys
import tempfile

from module_symbols import dynamic_symbols, faults_of


def main(cc: str, nm: str, root: pathlib.Path) -> int:
    source = re.search(r"```c\n(/\* clock\.c.*?)```", (root / "docs/abi.md").read_text(), re.S)
    if source is None:
        print("docs/abi.md has no block of C that begins with /* clock.c")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        file, module = pathlib.Path(scratch) / "clock.c", pathlib.Path(scratch) / "clock.so"
        file.write_text(source.group(1))
        flags = "-std=c11 -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -pedantic -Werror".split()
        flags += [f"-I{root}/abi/include", f"-Wl,--version-script={root}/abi/module.map", "-Wl,-z,defs", "-Wl,-z,now"]
        subprocess.run([cc, *flags, "-o", module, file], check=True)
        faults = faults_of(dynamic_symbols(nm, module))
    print("\n".join(faults) or "it does")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])))
