# SPDX-License-Identifier: Apache-2.0
"""Partial replies and requests in parts for asyncio."""
from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

from . import _api
from ._abi import abi
from ._core import encode
from ._dispatch import CREDIT, Item, dispatcher
from ._parts import P, PartCall, R

_CREDIT_STEP = 65536


class AsyncStream(PartCall[P, R], AsyncIterator[P]):
    """The partial replies of a call, in an `async for` loop; then `await reply()` has the answer.

    A part makes room for another one when the loop asks for the next. Leaving an `async with` block, aclose(), or the
    cancel of the task that waits cancels a call that has not ended. It belongs to the loop in which it was made.
    """

    def _begin(self, payload: bytes, parts: Any, flags: int, timeout_ms: int, window: tuple[int, int]) -> int:
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Item] = deque()  # from the dispatcher to the loop
        self._scheduled = False
        self._came: deque[bytes] = deque()
        self._done_bytes = 0  # of parts that were read, for which no credit was given yet
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._wrong: BaseException | None = None
        stream = weakref.ref(self)  # one that nobody has any more ends

        def on_item(item: Item) -> None:
            alive = stream()
            if alive is not None:
                alive._on_item(item)
            elif item[0] != CREDIT and item[2] != _api.PARTIAL:
                dispatcher.drop(item[1])

        key = dispatcher.add(on_item)
        flags |= _api.CREDIT
        status, self._request = abi.submit(self._where, key, self._name, payload, flags, timeout_ms, *window)
        if status != 0:
            dispatcher.drop(key)
        elif parts is not None:
            self._sender = self._loop.create_task(self._send_all(parts))
        return int(status)

    # ---- What the dispatcher brings ----

    def _on_item(self, item: Item) -> None:
        if item[0] != CREDIT and item[2] != _api.PARTIAL:
            dispatcher.drop(item[1])
        self._inbox.append(item)
        if self._scheduled:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            pass  # the loop is closed

    def _drain(self) -> None:
        self._scheduled = False
        while self._inbox:
            self._take(self._inbox.popleft())

    def _take(self, item: Item) -> None:
        if item[0] == CREDIT:
            self._room.set()
            return
        if item[2] == _api.PARTIAL:
            self._came.append(item[5])
        else:
            self._end((item[2], item[5], item[6], item[7]))
        self._news.set()

    def _end(self, outcome: tuple[int, bytes, bytes, bytes]) -> None:
        if self._outcome is None:
            self._outcome = outcome
        if self._sender is not None and not self._sender.done():
            self._sender.cancel()
        self._news.set()

    # ---- Reading ----

    def __aiter__(self) -> AsyncStream[P, R]:
        return self

    async def __anext__(self) -> P:
        payload = await self._next()
        if payload is None:
            await self.reply()  # raises if it failed
            raise StopAsyncIteration
        return self._read_part(payload)

    async def _next(self) -> bytes | None:
        """The next part, or None if there is none any more."""
        while not self._came:
            if self._outcome is not None:
                return None
            self._give_credit()
            self._news.clear()
            try:
                await self._news.wait()
            except asyncio.CancelledError:
                self.cancel()
                raise
        if self._done_bytes >= _CREDIT_STEP:
            self._give_credit()
        payload = self._came.popleft()
        self._done_bytes += len(payload) or 1
        return payload

    def _give_credit(self) -> None:
        size, self._done_bytes = self._done_bytes, 0
        if size and _api.request_credit(self._where, self._request, size) in (21, 40):
            self._done_bytes = size

    async def reply(self) -> R:
        """The answer, after the parts; parts that were not read are dropped. Raises CallError."""
        while await self._next() is not None:
            pass
        if self._wrong is not None:
            raise self._wrong
        return self._read_answer()

    def cancel(self) -> None:
        """Asks for the end: reply() then raises CanceledError, unless the answer came first."""
        if self._outcome is None:
            _api.cancel(self._where, self._request)

    async def aclose(self) -> None:
        """Cancels the call if it runs. Nothing waits for its end."""
        self.cancel()
        self._end((25, b"", b"the stream was closed", b""))

    async def __aenter__(self) -> AsyncStream[P, R]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if getattr(self, "_request", 0) and self._outcome is None:
            _api.cancel(self._where, self._request)

    # ---- Sending ----

    async def _send_all(self, parts: Iterable[Any] | AsyncIterable[Any]) -> None:
        try:
            if isinstance(parts, AsyncIterable):
                async for part in parts:
                    await self._send(encode(self._part_codec, part, self._name), 0)
            else:
                for part in parts:
                    await self._send(encode(self._part_codec, part, self._name), 0)
            await self._send(b"", _api.PART_END)
        except asyncio.CancelledError:
            if self._outcome is None:
                self.cancel()
            raise
        except BaseException as wrong:
            self._wrong = wrong
            self.cancel()
            self._end((25, b"", b"the parts of the request failed", b""))

    async def _send(self, payload: bytes, flags: int) -> None:
        while True:
            self._room.clear()
            status = _api.request_part(self._where, self._request, payload, flags)
            if status == 0:
                # Other tasks get their turn also if there is always room.
                await asyncio.sleep(0)
                return
            if status == 17:
                await asyncio.sleep(3600)  # the call has ended: its answer, which is on its way, ends this task
            if status not in (45, 21, 40):
                raise self._failed(status)
            try:
                await asyncio.wait_for(self._room.wait(), 0.25)
            except asyncio.TimeoutError:
                pass
