# SPDX-License-Identifier: Apache-2.0
"""Partial replies as iterators, and requests in parts from iterables. These wait; astreams.py has those for asyncio."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _api
from ._abi import abi
from ._core import FOREVER, encode
from ._parts import P, PartCall, R

_TURN_MS = 20


class Stream(PartCall[P, R], Iterator[P]):
    """The partial replies of a call, in a for loop; then reply() has the answer. `yield from` gives the answer, too.

    A part makes room for another one when the loop asks for the next: a slow reader holds up its own handler, and
    nobody else. Leaving a `with` block, or close(), cancels a call that has not ended.
    """

    def _begin(self, payload: bytes, parts: Any, flags: int, timeout_ms: int, window: tuple[int, int]) -> int:
        self._parts = None if parts is None else iter(parts)
        self._unsent: tuple[bytes, int] | None = None
        status, self._pending = _api.start(self._where, self._name, payload, flags, timeout_ms, *window)
        return status

    def __iter__(self) -> Stream[P, R]:
        return self

    def __next__(self) -> P:
        if self._outcome is None:
            got = self._next()
            if got[0] == _api.PARTIAL:
                return self._read_part(got[1])
        raise StopIteration(self.reply())

    def reply(self) -> R:
        """The answer, after the parts; parts that were not read are dropped. Raises CallError."""
        while self._outcome is None:
            self._next()
        return self._read_answer()

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
            raise self._failed(status)
        return self._sent(flags)

    def _sent(self, flags: int) -> int:
        self._unsent = None
        if flags:
            self._parts = None
            return FOREVER
        return 0
