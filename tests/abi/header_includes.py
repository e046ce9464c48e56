# SPDX-License-Identifier: Apache-2.0
"""The C headers include each other and two headers of the C library, and nothing else. Those with functions of their own
(cbor/) may also use <string.h>."""
import pathlib
import re
import sys

ALLOWED = {"<stddef.h>", "<stdint.h>"}


def main(root: pathlib.Path) -> int:
    headers = sorted((root / "backplane").rglob("*.h"))
    wrong = []
    for header in headers:
        for found in re.findall(r"^\s*#\s*include\s+(\S+)", header.read_text(), re.M):
            ours = found.startswith('"') and (header.parent / found.strip('"')).resolve() in headers
            allowed = ALLOWED | ({"<string.h>"} if header.parent.name == "cbor" else set())
            if not ours and found not in allowed:
                wrong.append(f"{header}: includes {found}; only {' '.join(sorted(allowed))} and headers of abi/ may be")
    print("\n".join(wrong) or f"{len(headers)} headers looked at")
    return 1 if wrong or len(headers) < 3 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
