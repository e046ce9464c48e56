# SPDX-License-Identifier: Apache-2.0
"""The codec in Python, for where the C module is missing. It does what native/codec.h does, with the same messages."""
from __future__ import annotations

import struct
from typing import Any

from ._values import UNDEFINED, DecodeError, EncodeError, Simple, Tag

DEPTH = 64
TOO_DEEP = "nested deeper than 64 levels"
TOO_EARLY = "the CBOR ends too early"
NO_ITEM = "no CBOR item begins with this byte"
BREAK = "found a break, expected an item"

_UNPACK = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_NARROW = 3.4028234663852886e38


def _head(out: bytearray, kind: int, value: int) -> None:
    if value < 24:
        out.append(kind << 5 | value)
        return
    for low, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * size):
            out.append(kind << 5 | low)
            out += value.to_bytes(size, "big")
            return
    raise EncodeError("found an integer beyond 64 bits; CBOR has -2**64 to 2**64-1")


def _float(out: bytearray, value: float) -> None:
    if value != value:
        out += b"\xfa\x7f\xc0\x00\x00"
    elif value in (float("inf"), float("-inf")):
        out += b"\xfa" + struct.pack(">f", value)
    elif abs(value) <= _NARROW and struct.unpack(">f", struct.pack(">f", value))[0] == value:
        out += b"\xfa" + struct.pack(">f", value)
    else:
        out += b"\xfb" + struct.pack(">d", value)


def _marked(out: bytearray, value: Tag | Simple, depth: int) -> None:
    number: Any = value.number
    if type(value) is Tag:
        if not isinstance(number, int) or not 0 <= number < 1 << 64:
            raise EncodeError("found a tag whose number is not 0 to 2**64-1")
        _head(out, 6, number)
        _put(out, value.value, depth)
        return
    if not isinstance(number, int) or not (0 <= number < 20 or 32 <= number < 256):
        raise EncodeError("found a simple value that is not 0 to 19 or 32 to 255")
    out += bytes((0xF8, number)) if number >= 32 else bytes((0xE0 + number,))


def _put(out: bytearray, value: Any, depth: int) -> None:
    if isinstance(value, str):
        try:
            text = value.encode()
        except UnicodeEncodeError:
            raise EncodeError("found a str with a lone surrogate; UTF-8 has none") from None
        _head(out, 3, len(text))
        out += text
    elif value is None:
        out.append(0xF6)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _head(out, 0, value)
        else:
            _head(out, 1, ~value)
    elif isinstance(value, float):
        _float(out, value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        if isinstance(value, memoryview) and not value.c_contiguous:
            raise EncodeError("found a buffer that is not contiguous")
        data = bytes(value)
        _head(out, 2, len(data))
        out += data
    elif isinstance(value, dict):
        if depth >= DEPTH and value:
            raise EncodeError(TOO_DEEP)
        _head(out, 5, len(value))
        for key, item in value.items():
            _put(out, key, depth + 1)
            _put(out, item, depth + 1)
    elif isinstance(value, (list, tuple)):
        if depth >= DEPTH and value:
            raise EncodeError(TOO_DEEP)
        _head(out, 4, len(value))
        for item in value:
            _put(out, item, depth + 1)
    elif type(value) is Tag or type(value) is Simple:
        if depth >= DEPTH and type(value) is Tag:
            raise EncodeError(TOO_DEEP)
        _marked(out, value, depth + 1)
    elif value is UNDEFINED:
        out.append(0xF7)
    else:
        raise EncodeError(
            f"found a value of type {_type_name(value)}; expected None, bool, int, float, str, bytes, list, tuple or dict"
        )


def _type_name(value: Any) -> str:
    kind = type(value)
    # As tp_name has it: a class of Python has its bare name there, one of C its module too.
    if kind.__flags__ & (1 << 9) or kind.__module__ == "builtins":
        return kind.__name__
    return f"{kind.__module__}.{kind.__qualname__}"


def dumps(value: Any) -> bytes:
    out = bytearray()
    _put(out, value, 0)
    return bytes(out)


class _Reader:
    __slots__ = ("data", "at", "depth")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.depth = 0

    def fail(self, what: str) -> DecodeError:
        return DecodeError(f"{what}, at byte {self.at}")

    def peek(self) -> tuple[int, int, int, int]:
        """Kind, additional information, value, and size of the next head, which is checked as the C reader does."""
        data, at = self.data, self.at
        if at >= len(data):
            raise self.fail(TOO_EARLY)
        first = data[at]
        kind, low = first >> 5, first & 31
        size = 1
        value = low
        if 24 <= low <= 27:
            size += 1 << (low - 24)
            if at + size > len(data):
                raise self.fail(TOO_EARLY)
            value = int.from_bytes(data[at + 1 : at + size], "big")
        elif low > 27 and (low != 31 or kind in (0, 1, 6)):
            raise self.fail(NO_ITEM)
        left = len(data) - at - size
        if kind == 7:
            if low == 24 and value < 32:
                raise self.fail(NO_ITEM)
        elif low == 31:
            pass
        elif kind in (2, 3):
            if value > left:
                raise self.fail(TOO_EARLY)
            if kind == 3:
                self.text(at + size, value)
        elif (kind == 4 and value > left) or (kind == 5 and value > left // 2):
            raise self.fail("found more elements than bytes that follow")
        return kind, low, value, size

    def text(self, at: int, size: int) -> str:
        try:
            return self.data[at : at + size].decode()
        except UnicodeDecodeError:
            raise self.fail("found text that is not UTF-8") from None

    def get(self, is_key: bool) -> Any:
        kind, low, value, size = self.peek()
        if kind == 4:
            return self.array(low == 31, value, size, is_key)
        if kind == 5:
            if is_key:
                raise self.fail("found a map as the key of a map; Python cannot hold it")
            return self.map(low == 31, value, size)
        if kind == 7 and low == 31:
            raise self.fail(BREAK)
        if kind == 6 and self.depth >= DEPTH:
            raise self.fail(TOO_DEEP)
        self.at += size
        if kind == 0:
            return value
        if kind == 1:
            return ~value
        if kind in (2, 3):
            if low == 31:
                return self.chunks(kind)
            self.at += value
            return self.data[self.at - value : self.at] if kind == 2 else self.text(self.at - value, value)
        if kind == 6:
            self.depth += 1
            inner = self.get(is_key)
            self.depth -= 1
            return Tag(value, inner)
        if low in (20, 21):
            return low == 21
        if low == 22:
            return None
        if low == 23:
            return UNDEFINED
        if 25 <= low <= 27:
            return _UNPACK[low].unpack_from(self.data, self.at - size + 1)[0]
        return Simple(value)

    def enter(self, unknown: bool, count: int, size: int) -> None:
        if self.depth >= DEPTH and (unknown or count):
            raise self.fail(TOO_DEEP)
        self.at += size
        self.depth += 1

    def more(self, unknown: bool, left: int) -> bool:
        if not unknown:
            return left > 0
        kind, low, _, size = self.peek()
        if kind != 7 or low != 31:
            return True
        self.at += size
        return False

    def array(self, unknown: bool, count: int, size: int, is_key: bool) -> Any:
        self.enter(unknown, count, size)
        items = []
        while self.more(unknown, count):
            count -= 1
            items.append(self.get(is_key))
        self.depth -= 1
        return tuple(items) if is_key else items

    def map(self, unknown: bool, count: int, size: int) -> dict[Any, Any]:
        self.enter(unknown, count, size)
        pairs: dict[Any, Any] = {}
        while self.more(unknown, count):
            count -= 1
            key = self.get(True)
            pairs[key] = self.get(False)
        self.depth -= 1
        return pairs

    def chunks(self, kind: int) -> Any:
        parts: list[bytes] = []
        while True:
            chunk, low, value, size = self.peek()
            if chunk == 7 and low == 31:
                self.at += size
                joined = b"".join(parts)
                return joined if kind == 2 else joined.decode()
            if chunk != kind or low == 31:
                raise self.fail("found a chunk of another type in a string")
            self.at += size + value
            parts.append(self.data[self.at - value : self.at])


def loads(data: bytes | bytearray | memoryview) -> Any:
    reader = _Reader(bytes(data))
    value = reader.get(False)
    if reader.at != len(reader.data):
        raise reader.fail("found more bytes after the end of the item")
    return value
