# SPDX-License-Identifier: Apache-2.0
"""Chooses how the library is reached: the C module if it is there, else ctypes. $BACKPLANE_BACKEND decides otherwise."""
from __future__ import annotations

import importlib
import os
from typing import Any


def _choose() -> Any:
    wanted = os.environ.get("BACKPLANE_BACKEND", "")
    if wanted not in ("", "cffi", "ctypes"):
        raise ImportError(f"BACKPLANE_BACKEND: found {wanted!r}, expected cffi or ctypes")
    if wanted != "ctypes":
        try:
            return importlib.import_module("backplane._abi_cffi")
        except ImportError as error:
            if wanted == "cffi":
                raise
            # A C module that is there and does not work is worth a word; a missing one is what ctypes is for.
            if not isinstance(error, ModuleNotFoundError):
                import warnings

                warnings.warn(f"backplane uses ctypes: the C module cannot be loaded: {error}", stacklevel=2)
    return importlib.import_module("backplane._abi_ctypes")


abi: Any = _choose()
