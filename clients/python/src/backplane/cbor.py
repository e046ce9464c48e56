# SPDX-License-Identifier: Apache-2.0
"""CBOR as the client writes and reads it: dumps(value), loads(data), and what Python has no type for.

Arrays are lists, maps dicts, and arrays in keys of maps tuples. Of equal keys the last one counts; 1, 1.0 and True are
equal. Integers have up to 64 bits. A float is written with 4 bytes if that holds it exactly, else with 8.
"""
from __future__ import annotations

from typing import Any

from ._abi import abi
from ._values import UNDEFINED, DecodeError, EncodeError, Simple, Tag, Undefined

__all__ = ["UNDEFINED", "DecodeError", "EncodeError", "Simple", "Tag", "Undefined", "dumps", "loads"]


def dumps(value: Any) -> bytes:
    """Raises EncodeError, a ValueError."""
    data: bytes = abi.dumps(value)
    return data


def loads(data: bytes | bytearray | memoryview) -> Any:
    """Reads exactly one item. Raises DecodeError, a ValueError."""
    return abi.loads(data)
