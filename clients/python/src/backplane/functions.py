# SPDX-License-Identifier: Apache-2.0
"""Host functions: what modules ask of the application."""
from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from . import _api, errors
from ._abi import abi
from ._core import Core, decode_request, encode
from ._dispatch import Item, Pool, dispatcher, log_exception
from .codecs import Codec

_TOO_LARGE = b"the answer cannot be sent"


class _Background:
    """A loop on a thread of its own, for functions that are `async def` and were provided where no loop runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="backplane-async", daemon=True).start()
            return self._loop


_background = _Background()


class Provided:
    """A host function, until close(): then modules get no_host_function. Calls that it has begun still answer."""

    def __init__(
        self, core: Core, name: str, function: Callable[..., Any], request: Codec[Any] | None,
        reply: Codec[Any] | None, takes_request: bool, pool: Pool, loop: asyncio.AbstractEventLoop | None,
    ) -> None:  # fmt: skip
        self.name = name
        self._core = core
        self._function = function
        self._request = request
        self._reply = reply
        self._takes_request = takes_request
        self._pool = pool
        self._context = 0
        if loop is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                pass
        self._loop = loop
        called = getattr(function, "__call__", function)
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
        self._key = dispatcher.add(self._on_item)
        status = core.add(self)
        if status != 0:
            dispatcher.drop(self._key)
            message = ""
            if status == 33:
                message = (
                    "the host takes no host functions over this connection; embed the host, or load a module there "
                    "that offers this function"
                )
            elif status == 16:
                message = f"found {name!r}; expected a wire name: module.verb"
            raise core.failure(status, name, message, where=core.native)

    # ---- Attachment ----

    def attach(self, context: int) -> int:
        status = int(abi.function_set(context, self.name.encode(), self._key))
        if status == 0:
            self._context = context
        return status

    def detached(self, gone: bool) -> None:
        self._context = 0

    def restored(self, attached: bool) -> None:
        pass

    def close(self) -> None:
        """Withdraws it."""
        context, self._context = self._context, 0
        self._core.remove(self)
        if context:
            abi.function_set(context, self.name.encode(), None)
        dispatcher.drop(self._key)

    def __enter__(self) -> Provided:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- One call ----

    def _on_item(self, item: Item) -> None:
        if self._is_async:
            loop = self._loop or _background.loop()
            try:
                loop.call_soon_threadsafe(self._begin, item, loop)
            except RuntimeError:
                self._answer(item, 31, b"", b"the event loop of the application is closed")
        else:
            self._pool.post(lambda: self._run(item))

    def _arguments(self, item: Item) -> tuple[Any, ...]:
        return (decode_request(self._request, item[5], self.name),) if self._takes_request else ()

    def _begin(self, item: Item, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._await(item))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _await(self, item: Item) -> None:
        try:
            self._succeed(item, await self._function(*self._arguments(item)))
        except BaseException as wrong:
            self._fail(item, wrong)
            if not isinstance(wrong, Exception):
                raise

    def _run(self, item: Item) -> None:
        try:
            found = self._function(*self._arguments(item))
            if isinstance(found, concurrent.futures.Future):
                found.add_done_callback(lambda done: self._later(item, done))
            elif inspect.isawaitable(found):
                waited = asyncio.run_coroutine_threadsafe(_result_of(found), self._loop or _background.loop())
                waited.add_done_callback(lambda done: self._later(item, done))
            else:
                self._succeed(item, found)
        except BaseException as wrong:
            self._fail(item, wrong)

    def _later(self, item: Item, done: concurrent.futures.Future[Any]) -> None:
        try:
            self._succeed(item, done.result())
        except BaseException as wrong:
            self._fail(item, wrong)

    def _succeed(self, item: Item, value: Any) -> None:
        self._answer(item, 0, encode(self._reply, value, self.name))

    def _fail(self, item: Item, wrong: BaseException) -> None:
        if isinstance(wrong, errors.CallError):
            status = wrong.status if wrong.status not in (0, _api.PARTIAL, _api.STALE) else 32
            detail = wrong.detail_bytes
            if not detail and wrong.detail is not None:
                try:
                    typed = wrong.DETAIL
                    detail = abi.dumps(wrong.detail if typed is None else typed.encode(wrong.detail))
                except ValueError:
                    log_exception(f"the detail of an error of {self.name}")
            self._answer(item, status, b"", wrong.message.encode("utf-8", "replace"), detail)
        elif isinstance(wrong, (asyncio.CancelledError, concurrent.futures.CancelledError)):
            self._answer(item, 25, b"", b"the application has canceled the function")
        elif isinstance(wrong, MemoryError):
            self._answer(item, 40, b"")
        else:
            text = f"{type(wrong).__name__}: {wrong}" if str(wrong) else type(wrong).__name__
            self._answer(item, 32, b"", text.encode("utf-8", "replace"))

    @staticmethod
    def _answer(item: Item, status: int, payload: bytes, message: bytes = b"", detail: bytes = b"") -> None:
        """Answers. That nobody waits any more is no error."""
        done = _api.complete(item[9], item[8], status, payload, message, detail)
        if done not in (0, 29):
            _api.complete(item[9], item[8], done if done != 16 else 32, b"", _TOO_LARGE, b"")


_tasks: set[asyncio.Task[None]] = set()


async def _result_of(found: Awaitable[Any]) -> Any:
    return await found
