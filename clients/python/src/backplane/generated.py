# SPDX-License-Identifier: Apache-2.0
"""What generated modules are built on. Applications use the generated classes."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

from . import errors
from ._abi import abi
from ._core import encode, milliseconds, decode
from ._values import Failed
from .astreams import AsyncStream
from .codecs import Codec, Mismatch
from .context import _QUEUE_BYTES, Context
from .events import AsyncEvents, Deliveries, Events, Listener, OnGap
from .functions import Provided
from .streams import Stream

Q = TypeVar("Q")
R = TypeVar("R")
P = TypeVar("P")
M = TypeVar("M", bound="Module")
_abi_call = abi.call


def _nothing(value: Any) -> dict[str, Any]:
    return {}


def _ignored(value: Any) -> None:
    return None


class Call(Generic[Q, R]):
    """A wire name, with the codecs of its payloads. None: it takes or answers nothing."""

    __slots__ = ("name", "request", "reply", "part", "partial", "errors", "encode", "decode", "raw")

    def __init__(
        self, name: str, request: Codec[Q] | None, reply: Codec[R] | None, *, part: Codec[Any] | None = None,
        partial: Codec[Any] | None = None, errors: dict[int, type[errors.CallError]] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.request: Codec[Any] = Codec(_nothing, _ignored) if request is None else request
        self.reply: Codec[Any] = Codec(_ignored, _ignored) if reply is None else reply
        self.part = part
        self.partial = partial
        self.errors = errors
        self.encode = self.request.encode
        self.decode: Callable[[Any], R] = self.reply.decode
        self.raw = (1 if self.request.raw else 0) | (2 if self.reply.raw else 0)


class Module:
    """The client of one module. Making it compares interfaces: it raises InterfaceChangedError if calls would be wrong,
    and NotFoundError if no such module runs."""

    #: Name, interface hash and interface text, of the time when the code was generated.
    _INTERFACE: ClassVar[tuple[str, str, str]]

    def __init__(self, context: Context) -> None:
        self._context = context
        self._core = context._core
        self._expected = context._interfaces.expect(*self._INTERFACE)

    @classmethod
    async def open_async(cls: type[M], context: Context) -> M:
        """Makes it without holding up the loop."""
        return await asyncio.get_running_loop().run_in_executor(None, cls, context)

    # ---- Calls ----

    def _check(self) -> None:
        if self._expected.error is not None:
            raise self._expected.error.with_traceback(None)

    def _call(self, call: Call[Q, R], request: Any, timeout: float | None) -> R:
        # As Core.call(), without a function call between: this is the most frequent one.
        if self._expected.error is not None:
            self._check()
        name, core = call.name, self._core
        try:
            payload = call.encode(request)
        except Mismatch as wrong:
            raise errors.make(20, name, f"the request cannot be sent: {wrong}") from None
        timeout_ms = 0 if timeout is None else milliseconds(timeout, name)
        native = core.native
        try:
            answer = _abi_call(native, name, payload, call.raw, timeout_ms)
        except (Failed, ValueError) as failed:
            raise core.call_failure(failed, name, native, call.errors) from None
        try:
            return call.decode(answer)
        except Mismatch as wrong:
            raise errors.make(20, name, f"the answer has another form than expected: {wrong}") from None

    async def _call_async(self, call: Call[Q, R], request: Any, timeout: float | None) -> R:
        self._check()
        name = call.name
        payload = encode(call.request, request, name)
        answer = await self._core.call_async(name, payload, milliseconds(timeout, name), call.errors)
        found: R = decode(call.reply, answer, name)
        return found

    def _stream(
        self, call: Call[Q, R], request: Any, timeout: float | None, parts: Iterable[Any] | None = None
    ) -> Stream[Any, R]:
        self._check()
        return Stream(
            self._core, call.name, encode(call.request, request, call.name), call.partial, call.reply, parts=parts,
            part_codec=call.part, timeout_ms=milliseconds(timeout, call.name), classes=call.errors,
        )  # fmt: skip

    def _stream_async(
        self, call: Call[Q, R], request: Any, timeout: float | None,
        parts: Iterable[Any] | AsyncIterable[Any] | None = None,
    ) -> AsyncStream[Any, R]:  # fmt: skip
        self._check()
        return AsyncStream(
            self._core, call.name, encode(call.request, request, call.name), call.partial, call.reply, parts=parts,
            part_codec=call.part, timeout_ms=milliseconds(timeout, call.name), classes=call.errors,
        )  # fmt: skip

    # ---- Events ----

    def _on(
        self, name: str, codec: Codec[P], callback: Callable[[P], object], on_gap: OnGap | None, own_thread: bool,
        lossless: bool,
    ) -> Listener[P]:  # fmt: skip
        deliveries = Deliveries("backplane-events") if own_thread else self._context._deliveries
        return Listener(
            self._core, name, codec, callback, False, deliveries, on_gap, lossless, "", _QUEUE_BYTES
        )

    def _events(self, name: str, codec: Codec[P], on_gap: OnGap | None, lossless: bool) -> Events[P]:
        return Events(self._core, name, codec, on_gap, lossless, "", _QUEUE_BYTES, False)

    def _events_async(self, name: str, codec: Codec[P], on_gap: OnGap | None, lossless: bool) -> AsyncEvents[P]:
        return AsyncEvents(self._core, name, codec, on_gap, lossless, "", _QUEUE_BYTES, False)

    # ---- Host functions ----

    def _provide(
        self, call: Call[Q, R], takes_request: bool, function: Callable[..., Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> Provided:  # fmt: skip
        return Provided(
            self._core, call.name, function, call.request, call.reply, takes_request, self._context._pool, loop
        )
