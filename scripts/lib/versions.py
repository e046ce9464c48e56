# SPDX-License-Identifier: Apache-2.0
"""The version stands in base.h. npm and cargo want it in files of their own, too."""

import re

# Each such file, and the line that has it.
COPIES = {
    "clients/rust/Cargo.toml": r'^(version = ")(.*)(")$',
    "clients/typescript/package.json": r'^(  "version": ")(.*)(",)$',
    "clients/typescript/src/version.ts": r'^(export const version = ")(.*)(";)$',
}


def differing(root, version):
    """What is wrong, one line for each copy that has another version."""
    out = []
    for name, pattern in COPIES.items():
        found = [match[1] for match in re.findall(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)]
        if found != [version]:
            out.append(f"{name}: found the version {' '.join(found) or 'nowhere'}; expected {version}, as in base.h; "
                       "write it there")
    return out


def write(root, version):
    for name, pattern in COPIES.items():
        text = (root / name).read_text(encoding="utf-8")
        (root / name).write_text(re.sub(pattern, rf"\g<1>{version}\g<3>", text, flags=re.MULTILINE), encoding="utf-8")
