# SPDX-License-Identifier: Apache-2.0
"""The version comes from base.h. Without cffi, the package has no C module and uses ctypes."""
import os
import pathlib
import re
import sys

from setuptools import setup

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

HERE = pathlib.Path(__file__).resolve().parent
PLACES = [os.environ.get("BACKPLANE_INCLUDE", ""), HERE.parent.parent / "abi" / "include", "/usr/local/include",
          "/usr/include"]


def include():
    for place in PLACES:
        if place and pathlib.Path(place, "backplane", "base.h").exists():
            return pathlib.Path(place)
    raise SystemExit("found no backplane/base.h; install libbackplane-dev, or set BACKPLANE_INCLUDE to its folder")


def version(folder):
    text = (folder / "backplane" / "base.h").read_text(encoding="utf-8")
    return ".".join(re.search(rf"#define BP_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))


def extensions(folder):
    try:
        from build_native import builder
    except ImportError:
        return []
    library = os.environ.get("BACKPLANE_LIBRARY_DIR")
    return [builder([str(folder)], [library] if library else []).distutils_extension(str(HERE / "build"))]


FOLDER = include()
setup(version=version(FOLDER), ext_modules=extensions(FOLDER))
