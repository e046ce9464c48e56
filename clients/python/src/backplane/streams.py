# SPDX-License-Identifier: Apache-2.0
"""Partial replies as iterators, and requests in parts from iterables. These wait; astreams.py has those for asyncio."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from . import _api
from ._abi import abi
from ._core import FOREVER, Classes, Core, decode, encode
from .codecs import Codec

P = TypeVar("P")
R = TypeVar("R")
_TURN_MS = 20


class Stream(Generic[P, R], Iterator[P]):
    """The partial replies of a call, in a for loop; then reply() has the answer. `yield from` gives the answer, too.

    A part makes room for another one when the loop asks for the next: a slow reader holds up its own handler, and
    nobody else. Leaving a `with` block, or close(), cancels a call that has not ended.
    """

    def __init__(
        self,
        core: Core,
        name: str,
        payload: bytes,
        partial: Codec[P] | None,
        reply: Codec[R] | None,
        *,
        parts: Iterable[Any] | None = None,
        part_codec: Codec[Any] | None = None,
        timeout_ms: int = 0,
        window: tuple[int, int] = (0, 0),
        classes: Classes | None = None,
    ) -> None:
        self._core = core
        self._name = name
        self._partial = partial
        self._reply_codec = reply
        self._parts = None if parts is None else iter(parts)
        self._part_codec = part_codec
        self._classes = classes
        self._unsent: tuple[bytes, int] | None = None
        self._outcome: tuple[int, bytes, bytes, bytes] | None = None
        self._where = core.native
        flags = _api.NO_STALE | (_api.PARTS if parts is not None else 0)
        status, self._pending = _api.start(self._where, name, payload, flags, timeout_ms, *window)
        if status != 0:
            raise core.failure(status, name, where=self._where, classes=classes)

    def __iter__(self) -> Stream[P, R]:
        return self

    def __next__(self) -> P:
        if self._outcome is None:
            got = self._next()
            if got[0] == _api.PARTIAL:
                part: P = decode(self._partial, got[1], self._name, "a part of the answer")
                return part
        raise StopIteration(self.reply())

    def reply(self) -> R:
        """The answer, after the parts; parts that were not read are dropped. Raises CallError."""
        while self._outcome is None:
            self._next()
        status, payload, message, detail = self._outcome
        if status != 0:
            raise self._core.failure(status, self._name, message, detail, self._where, self._classes)
        answer: R = decode(self._reply_codec, payload, self._name)
        return answer

    def cancel(self) -> None:
        """Asks for the end: reply() then raises CanceledError, unless the answer came first."""
        if self._pending:
            _api.call_cancel(self._pending)

    def close(self) -> None:
        """Cancels the call if it runs, and forgets its answer."""
        pending, self._pending = self._pending, 0
        if pending:
            _api.call_free(pending)
        if self._outcome is None:
            self._outcome = (25, b"", b"the stream was closed", b"")

    def __enter__(self) -> Stream[P, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pending", 0):
            self.close()

    def _next(self) -> tuple[int, bytes, bytes, bytes]:
        """The next part or the answer. While parts of the request are left, it sends them in turns with its waits: the
        handler may want its own parts read before it takes further ones."""
        while True:
            waits = FOREVER
            if self._parts is not None:
                got = abi.call_next(self._pending, 0)
                if got[0] == _api.STALE:
                    waits = self._send()
                    if waits == 0:
                        continue
                    got = abi.call_next(self._pending, waits)
            else:
                got = abi.call_next(self._pending, waits)
            if got[0] == _api.STALE:
                continue
            if got[0] != _api.PARTIAL:
                self._outcome = got
                self._parts = None
                pending, self._pending = self._pending, 0
                _api.call_free(pending)
            part: tuple[int, bytes, bytes, bytes] = got
            return part

    def _send(self) -> int:
        """Sends a part. Returns how long to wait for a reply before the next try: 0 for not at all."""
        if self._unsent is None:
            try:
                assert self._parts is not None
                self._unsent = (encode(self._part_codec, next(self._parts), self._name), 0)
            except StopIteration:
                self._unsent = (b"", _api.PART_END)
            except BaseException:
                self.close()
                raise
        payload, flags = self._unsent
        status = _api.part(self._pending, payload, flags, 0)
        if status == 45:
            return _TURN_MS if _api.part(self._pending, payload, flags, _TURN_MS) == 45 else self._sent(flags)
        if status == 17:  # the call has ended: its answer is there
            self._parts = None
            return FOREVER
        if status in (21, 40):
            return _TURN_MS
        if status != 0:
            self.close()
            raise self._core.failure(status, self._name, where=self._where, classes=self._classes)
        return self._sent(flags)

    def _sent(self, flags: int) -> int:
        self._unsent = None
        if flags:
            self._parts = None
            return FOREVER
        return 0
