# SPDX-License-Identifier: Apache-2.0
"""A call whose answer, and perhaps its request, has parts: what Stream and AsyncStream share."""
from __future__ import annotations

from typing import Any, Generic, TypeVar

from . import _api
from ._core import Classes, Core, decode
from .codecs import Codec

P = TypeVar("P")
R = TypeVar("R")


class PartCall(Generic[P, R]):
    """Begins the call when it is made. `parts`: those of the request, None if it has none."""

    def __init__(
        self, core: Core, name: str, payload: bytes, partial: Codec[P] | None, reply: Codec[R] | None, *,
        parts: Any = None, part_codec: Codec[Any] | None = None, timeout_ms: int = 0,
        window: tuple[int, int] = (0, 0), classes: Classes | None = None,
    ) -> None:  # fmt: skip
        self._core = core
        self._name = name
        self._partial = partial
        self._reply_codec = reply
        self._part_codec = part_codec
        self._classes = classes
        self._outcome: tuple[int, bytes, bytes, bytes] | None = None  # status, payload, message, detail
        self._where = core.native
        flags = _api.NO_STALE | (_api.PARTS if parts is not None else 0)
        status = self._begin(payload, parts, flags, timeout_ms, window)
        if status != 0:
            raise self._failed(status)

    def _begin(self, payload: bytes, parts: Any, flags: int, timeout_ms: int, window: tuple[int, int]) -> int:
        """Submits the call; returns a status. Sets what only this kind of stream has."""
        raise NotImplementedError

    def _failed(self, status: int, message: bytes = b"", detail: bytes = b"") -> Exception:
        return self._core.failure(status, self._name, message, detail, self._where, self._classes)

    def _read_part(self, payload: bytes) -> P:
        part: P = decode(self._partial, payload, self._name, "a part of the answer")
        return part

    def _read_answer(self) -> R:
        """The answer, when the call has ended. Raises CallError."""
        assert self._outcome is not None
        status, payload, message, detail = self._outcome
        if status != 0:
            raise self._failed(status, message, detail)
        answer: R = decode(self._reply_codec, payload, self._name)
        return answer
