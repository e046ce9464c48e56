# SPDX-License-Identifier: Apache-2.0
"""What CBOR has and Python has not, and the errors of both codecs."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


class EncodeError(ValueError):
    """A value that CBOR cannot hold."""


class DecodeError(ValueError):
    """Bytes that are not exactly one well-formed CBOR item."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged item. No tag is interpreted: Tag(0, "…") stays what it is."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value without a meaning of its own: 0 to 19, or 32 to 255."""

    number: int


class Undefined:
    """The type of UNDEFINED."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __reduce__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()


class Failed(Exception):
    """How a call ended, as the C functions tell it: status, message and detail as bytes."""

    def __init__(self, status: int, message: bytes, detail: bytes) -> None:
        super().__init__(status, message, detail)
        self.status = status
        self.message = message
        self.detail = detail
