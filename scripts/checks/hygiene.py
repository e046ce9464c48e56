#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every source file has its licence line, every script can be run, and no file names a directory or a
package server that belongs to one machine."""

import os
import re

import common

LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENSED = (".h", ".c", ".hpp", ".cpp", ".py", ".sh", ".cmake", ".map", ".cddl", ".toml")

# Classes of one letter keep these lines from matching themselves.
PLACES = [
    (re.compile(r"(?<![\w.$}{*])/(?:wor[k]|roo[t]|hom[e]|User[s])/[\w.]"), "a path of one machine"),
    (re.compile(r"\b(?!www\.)[\w-]+\.(?:debia[n]|ubunt[u])\.(?:org|com)\b"), "a package server"),
    (re.compile(r"\b(?:pyp[i]\.org|pythonhoste[d]\.org|registry\.npmj[s]\.org|prox[y]\.golang\.org)\b"),
     "a package server"),
]


def check_places(findings, name, text):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, what in PLACES:
            match = pattern.search(line)
            if match:
                findings.add(name, number, f"names {what} ('{match.group(0)}'); expected none;"
                             " use a relative path, or say it in general")


def is_licensed_kind(name, text):
    return name.endswith(LICENSED) or os.path.basename(name) == "CMakeLists.txt" or text.startswith("#!")


def check_licence(findings, name, text):
    head = text.splitlines()[:2]
    if is_licensed_kind(name, text) and not any(LICENCE in line for line in head):
        findings.add(name, 1, f"no licence line; expected '{LICENCE}' in the first line (second after a #!)")


def check_script(findings, root, name, text):
    runnable = os.access(os.path.join(root, name), os.X_OK)
    belongs = os.path.dirname(name) in ("scripts", ".ci")
    if (belongs or runnable) and not text.startswith("#!"):
        findings.add(name, 1, "a script without #!; expected an interpreter, such as #!/bin/bash")
    if (belongs or text.startswith("#!")) and not runnable:
        findings.add(name, 1, f"not executable; run: chmod +x {name}")


def main():
    options = common.arguments(__doc__)
    findings = common.Findings()
    names = common.files(options.root)
    for name in names:
        text = common.read(options.root, name)
        if text is None:
            continue
        check_places(findings, name, text)
        check_licence(findings, name, text)
        check_script(findings, options.root, name, text)
    findings.finish(names)


if __name__ == "__main__":
    main()
