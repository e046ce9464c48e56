#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""backplane-bindgen: makes typed bindings of interfaces. `backplane bindgen` runs it.

    backplane-bindgen LANG -o DIR [--check] < OUTLINE

Exit codes: 0: done, or with --check all files are as they would be made. 1: with --check: they are not; or a file cannot
be written. 2: the command line or the outline is wrong.
"""
import argparse
import importlib
import pathlib
import sys
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

try:
    import jinja2  # noqa: F401 pylint: disable=unused-import
except ImportError:
    print("backplane-bindgen: found no Python package jinja2; install the Debian package python3-jinja2",
          file=sys.stderr)
    sys.exit(2)

import outline as outlines  # noqa: E402
import output  # noqa: E402


@dataclass
class Options:
    """What a language's `files(outline, options)` may want to know besides the outline."""
    language: str


def languages(folders=(HERE,)):
    """Adding a language is adding a folder with a generate.py."""
    return {made.parent.name: made.parent for folder in folders for made in sorted(folder.glob("*/generate.py"))}


def generate(language, outline, folders=(HERE,)):
    """The files of a language, as a dict from relative path to text, in order."""
    folder = languages(folders)[language]
    if str(folder.parent) not in sys.path:
        sys.path.insert(0, str(folder.parent))
    made = importlib.import_module(f"{language}.generate").files(outline, Options(language))
    return {str(pathlib.PurePosixPath(path)): made[path] for path in sorted(made)}


def main(arguments=None, source=None, folders=(HERE,)):
    known = languages(folders)
    parser = argparse.ArgumentParser(prog="backplane-bindgen", description="Makes typed bindings of interfaces.")
    parser.add_argument("language", metavar="LANG", help=", ".join(known))
    parser.add_argument("-o", "--output", metavar="DIR", required=True, type=pathlib.Path)
    parser.add_argument("--check", action="store_true",
                        help="write nothing; show what would change, and then exit with 1")
    options = parser.parse_args(arguments)
    if options.language not in known:
        print(f"backplane-bindgen: found the language `{options.language}`, expected one of: {', '.join(known)}",
              file=sys.stderr)
        return 2
    try:
        text = (source or sys.stdin.buffer).read().decode("utf-8", errors="strict")
        outline = outlines.load(text)
    except UnicodeDecodeError:
        print("backplane-bindgen: the outline is not UTF-8; run this program through `backplane bindgen`",
              file=sys.stderr)
        return 2
    except outlines.OutlineError as error:
        print(f"backplane-bindgen: {error}", file=sys.stderr)
        return 2
    made = generate(options.language, outline, folders)
    try:
        if options.check:
            return output.check(options.output, made)
        return output.write(options.output, made)
    except output.OutputError as error:
        print(f"backplane-bindgen: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
