# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the files to look at, and one way to say what was found.

A check is a script here with a shebang. It takes --root, looks at every file under it, prints one
finding a line as `path:line: what was found; what was expected; what to do`, and exits 1 if there is
any, 2 if it could not look.
"""

import argparse
import os
import subprocess
import sys

SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def arguments(description, **options):
    """Parses --root, and --NAME for each option given with its default. One whose default is False takes no value."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", default=SOURCE_ROOT, help="the tree to look at (default: this one)")
    for name, (default, text) in options.items():
        if default is False:
            parser.add_argument("--" + name, action="store_true", help=text)
        else:
            parser.add_argument("--" + name, default=default, help=text)
    return parser.parse_args()


def files(root):
    """Paths, relative to root, of the files that belong to the tree: those git tracks or would track;
    without git, all but what is built."""
    top = git(root, "rev-parse", "--show-toplevel")
    if top is not None and os.path.realpath(top.strip()) == os.path.realpath(root):
        listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = [name for name in listed.split("\0") if name]
    else:
        names = walk(root)
    return sorted(name for name in set(names) if os.path.isfile(os.path.join(root, name)))


def git(root, *command):
    try:
        done = subprocess.run(["git", "-C", root, *command], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def walk(root):
    for folder, below, names in os.walk(root):
        if folder == root:
            below[:] = [name for name in below if not name.startswith("build") and name not in (".git", ".cache")]
        below[:] = [name for name in below if name != "__pycache__"]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def read(root, name):
    """The file's text, or None if it is not text."""
    with open(os.path.join(root, name), "rb") as file:
        data = file.read()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, path, line, text):
        self.count += 1
        print(f"{path}:{line}: {text}")

    def finish(self, looked_at):
        """Ends the check. One that looked at nothing has shown nothing, and fails."""
        name = os.path.basename(sys.argv[0])
        if not looked_at:
            print(f"{name}: found nothing to look at; is --root the top of the tree?")
            sys.exit(2)
        sys.exit(1 if self.count else 0)
