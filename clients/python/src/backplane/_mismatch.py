# SPDX-License-Identifier: Apache-2.0
"""A value that does not fit its type."""
from __future__ import annotations

from typing import Any

_NAMES: dict[type, str] = {
    bool: "bool", int: "int", float: "float", str: "text", bytes: "bytes", list: "array", tuple: "array", dict: "map",
    type(None): "null",
}  # fmt: skip


def kind_of(value: Any) -> str:
    """What CBOR calls the type of a value."""
    return _NAMES.get(type(value), type(value).__name__)


class Mismatch(ValueError):
    """A value that does not fit. Its text begins with the path: `messages[2].delay_ms: expected int, got text`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path = ""
        self.text = text

    def inside(self, place: str) -> Mismatch:
        """The same, seen from one level above."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{place}{joint}{self.path}"
        return self

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text
