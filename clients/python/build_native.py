#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the C module of the package, backplane._native: cffi's API mode, with the codec over backplane/cbor.h.

build_native.py --into DIR --include DIR --library DIR [--rpath]   puts the whole package into DIR/backplane
setup.py calls builder() instead.
"""
import argparse
import os
import pathlib
import shutil
import tempfile

import cffi

HERE = pathlib.Path(__file__).resolve().parent


def builder(include=(), library=(), rpath=()):
    ffi = cffi.FFI()
    ffi.cdef((HERE / "native" / "cdef.txt").read_text(encoding="utf-8"))
    ffi.set_source(
        "backplane._native",
        '#include "module.h"\n'
        "static const char* const bpp_header_version = BP_VERSION_STRING;\n"
        "static const uint32_t bpp_header_abi = BP_ABI_MAJOR << 16 | BP_ABI_MINOR;\n",
        libraries=["backplane"],
        include_dirs=[str(HERE / "native"), *include],
        library_dirs=list(library),
        runtime_library_dirs=list(rpath),
        depends=[str(each) for each in sorted((HERE / "native").iterdir())],
        extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers",
                            "-Wno-unused-function"],
        define_macros=[("_CFFI_NO_LIMITED_API", None), ("PY_SSIZE_T_CLEAN", None)],
        py_limited_api=False,
    )
    return ffi


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", required=True, type=pathlib.Path)
    parser.add_argument("--include", required=True, action="append")
    parser.add_argument("--library", required=True, action="append")
    parser.add_argument("--rpath", action="store_true", help="find libbackplane.so there at run time, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bp-native-") as work:
        library = [os.path.abspath(each) for each in options.library]
        made = builder([os.path.abspath(each) for each in options.include], library,
                       library if options.rpath else ()).compile(tmpdir=work)
        (options.into / "backplane").mkdir(parents=True, exist_ok=True)
        for source in sorted((HERE / "src" / "backplane").iterdir()):
            if source.is_file():
                shutil.copy2(source, options.into / "backplane")
        target = options.into / "backplane" / pathlib.Path(made).name
        staged = target.with_suffix(".new")
        shutil.copy2(made, staged)
        staged.replace(target)
        print(target)


if __name__ == "__main__":
    main()
