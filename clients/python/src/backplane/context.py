# SPDX-License-Identifier: Apache-2.0
"""A context: embedded in this process, or the one of a running host."""
from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

from . import _api, errors
from ._abi import abi
from ._core import Core, encode, milliseconds
from ._dispatch import STOP, Item, Pool, dispatcher, log_exception
from .astreams import AsyncStream
from .codecs import raw as raw_codec
from .events import AsyncEvents, Deliveries, Events, Listener, OnGap
from .functions import Provided
from .interfaces import Interfaces
from .keeper import ConnectionState, Keeper, Reconnect
from .operations import Operations
from .streams import Stream

_QUEUE_BYTES = 8 << 20
_PROCESS = os.getpid()
_contexts: weakref.WeakSet[Context] = weakref.WeakSet()


class Serving:
    """A socket on which other programs reach an embedded context, until close()."""

    def __init__(self, number: int, key: int | None) -> None:
        self._number = number
        self._key = key

    def close(self, drain: float = 0.0) -> None:
        """Ends it. Open calls have `drain` seconds to finish."""
        number, self._number = self._number, 0
        if number:
            _api.serving_end(number, round(drain * 1000))
        if self._key is not None:
            dispatcher.drop(self._key)

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Context(Operations):
    """Makes calls, hears events and provides host functions. Any thread may use it. `embed` and `connect` make one.

    Callbacks run on threads of this package, never on a thread of the host: so they may wait and make calls.
    """

    def __init__(self, core: Core, keeper: Keeper | None, workers: int) -> None:
        self._core = core
        self._keeper = keeper
        self._deliveries = Deliveries("backplane-events")
        self._pool = Pool(workers, "backplane-functions")
        self._interfaces = Interfaces(core)
        self._servings: list[Serving] = []
        _contexts.add(self)

    @property
    def connected(self) -> bool:
        """Whether it reaches a host over a socket; otherwise the host is in this process."""
        return self._core.connected

    # ---- Calls ----

    def call(self, name: str, payload: Any = None, *, timeout: float | None = None, raw: bool = False) -> Any:
        """Calls and waits for the answer: plain values, or bytes with `raw`. `payload` None: an empty map.

        timeout: seconds, then DeadlineError. Raises CallError. Partial replies are dropped; see stream().
        """
        sent = ({} if payload is None else payload) if not raw else bytes(payload or b"")
        return self._core.call(name, sent, 3 if raw else 0, milliseconds(timeout, name), None)

    async def call_async(
        self, name: str, payload: Any = None, *, timeout: float | None = None, raw: bool = False
    ) -> Any:
        """The same for asyncio. A task that is canceled cancels the call."""
        sent = _encode(name, payload, raw)
        answer = await self._core.call_async(name, sent, milliseconds(timeout, name), None)
        return answer if raw else abi.loads(answer)

    def stream(
        self, name: str, payload: Any = None, *, parts: Iterable[Any] | None = None, timeout: float | None = None,
        window_bytes: int = 0, window_parts: int = 0, raw: bool = False,
    ) -> Stream[Any, Any]:  # fmt: skip
        """Calls, and gives the partial replies one by one. `parts`: further parts of the request."""
        codec = raw_codec if raw else None
        return Stream(
            self._core, name, _encode(name, payload, raw), codec, codec, parts=parts, part_codec=codec,
            timeout_ms=milliseconds(timeout, name), window=(window_bytes, window_parts),
        )  # fmt: skip

    def stream_async(
        self, name: str, payload: Any = None, *, parts: Iterable[Any] | AsyncIterable[Any] | None = None,
        timeout: float | None = None, window_bytes: int = 0, window_parts: int = 0, raw: bool = False,
    ) -> AsyncStream[Any, Any]:  # fmt: skip
        """The same for asyncio."""
        codec = raw_codec if raw else None
        return AsyncStream(
            self._core, name, _encode(name, payload, raw), codec, codec, parts=parts, part_codec=codec,
            timeout_ms=milliseconds(timeout, name), window=(window_bytes, window_parts),
        )  # fmt: skip

    # ---- Events ----

    def on(
        self, pattern: str, callback: Callable[[Any], object], on_gap: OnGap | None = None, *,
        own_thread: bool = False, lossless: bool = False, label: str = "", queue_bytes: int = _QUEUE_BYTES,
    ) -> Listener[Any]:  # fmt: skip
        """Calls back with each Event of this name, or whose name has the prefix before a "*".

        The callbacks of a context run on one thread, in order; `own_thread` gives this one its own. What it raises is
        logged. When more than `queue_bytes` wait for it, events are lost, and `on_gap` gets a Gap in their place.
        """
        deliveries = Deliveries("backplane-events") if own_thread else self._deliveries
        return Listener(self._core, pattern, None, callback, True, deliveries, on_gap, lossless, label, queue_bytes)

    def events(
        self, pattern: str, on_gap: OnGap | None = None, *, lossless: bool = False, label: str = "",
        queue_bytes: int = _QUEUE_BYTES,
    ) -> Events[Any]:  # fmt: skip
        """The events as an iterator of Event; it waits."""
        return Events(self._core, pattern, None, on_gap, lossless, label, queue_bytes, True)

    def events_async(
        self, pattern: str, on_gap: OnGap | None = None, *, lossless: bool = False, label: str = "",
        queue_bytes: int = _QUEUE_BYTES,
    ) -> AsyncEvents[Any]:  # fmt: skip
        """The events as an async iterator of Event."""
        return AsyncEvents(self._core, pattern, None, on_gap, lossless, label, queue_bytes, True)

    # ---- Host functions ----

    def provide(
        self, name: str, function: Callable[..., Any], *, raw: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Provided:  # fmt: skip
        """Answers what modules ask under this name with function(payload).

        It may be `async def`: then it runs on `loop`, else on the loop that runs now, else on one of its own. Otherwise
        it runs on a thread of the context's pool, and may also return a concurrent.futures.Future. What it raises is
        the answer: a CallError keeps status, message and detail, any other exception becomes `exception`.
        """
        codec = raw_codec if raw else None
        return Provided(self._core, name, function, codec, codec, True, self._pool, loop)

    # ---- The socket, and the end ----

    def serve(
        self, path: str | os.PathLike[str] | None = None, *, may: int = 0,
        on_stop: Callable[[], object] | None = None,
    ) -> Serving:  # fmt: skip
        """Serves an embedded context on a Unix socket. `on_stop`: a peer asks the application to end."""
        key = None
        if on_stop is not None:
            wanted = on_stop

            def on_item(item: Item) -> None:
                if item[0] == STOP:
                    self._pool.post(lambda: _guarded(wanted))

            key = dispatcher.add(on_item)
        number, outcome = _api.serve(self._core.native, _api.path_bytes(path), may, key)
        if outcome.status != 0:
            raise self._core.failure(outcome.status, str(path), outcome.message, where=self._core.native)
        serving = Serving(number, key)
        self._servings.append(serving)
        return serving

    def close(self, timeout: float | None = None) -> None:
        """Ends the context: open calls have `timeout` seconds to finish (None: 1.5), then they are canceled.

        A handler or callback that does not return is left behind. Closing twice is allowed.
        """
        core = self._core
        with core.lock:
            if core.ended:
                return
            core.ended = True
        if self._keeper is not None:
            self._keeper.stop(None if timeout is None else timeout + 6)
        for serving in self._servings:
            serving.close()
        for each in core.each():
            close = getattr(each, "close", None)
            if close is not None:
                close()
        with core.lock:
            native, core.native = core.native, 0
        if native:
            if timeout is not None:
                _api.stop(native, max(1, round(timeout * 1000)))
            if _api.destroy(native) == 34:
                _left_behind.append(native)

    async def close_async(self, timeout: float | None = None) -> None:
        """The same, without holding up the loop."""
        await asyncio.get_running_loop().run_in_executor(None, self.close, timeout)

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Context:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_async()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is None or core.ended or not core.native or self._keeper is not None:
            return
        if sys.is_finalizing() or os.getpid() != _PROCESS:
            return  # a thread cannot start any more, or the handle is the parent's
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        native, core.native, core.ended = core.native, 0, True
        threading.Thread(target=_api.destroy, args=(native,)).start()  # the end of the process waits for it


_left_behind: list[int] = []


def _encode(name: str, payload: Any, raw: bool) -> bytes:
    if raw:
        return bytes(payload or b"")
    return encode(None, {} if payload is None else payload, name)


def _guarded(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        log_exception("on_stop")


# ---- Making one ----


def configure(**options: Any) -> None:
    """Configures the host of this process, before the first embedded context. The names are those of bp_host_options."""
    outcome = _api.configure(options)
    if outcome.status != 0:
        raise errors.make(outcome.status, "configure", outcome.message)


def embed(*, workers: int = 32, **options: int) -> Context:
    """Makes a context in this process. `workers`: most threads for host functions; options: those of
    bp_context_options, such as window_bytes."""
    native, outcome = _api.create(options)
    if outcome.status != 0:
        raise errors.make(outcome.status, "embed", outcome.message)
    core = Core(connected=False, reconnects=False)
    core.native = native
    return Context(core, None, workers)


def connect(
    path: str | os.PathLike[str] | None = None, *, timeout: float = 5.0, reconnect: Reconnect = Reconnect(),
    on_state: Callable[[ConnectionState], object] | None = None, event_bytes: int = 0, workers: int = 32,
) -> Context:  # fmt: skip
    """Connects to a running host. `path` None: $BACKPLANE_SOCKET, or the default of `backplane run`.

    When the connection breaks, open calls end once with UnreachableError, and the client connects again. Then
    listeners get a Gap, and host functions are provided again. `on_state` is told, on a thread of the client.
    """
    reconnect.check()
    core = Core(connected=True, reconnects=reconnect.enabled)
    found: list[Context] = []

    def restored() -> None:
        if found:
            found[0]._interfaces.recheck()

    keeper = Keeper(
        core, _api.path_bytes(path), max(1, round(timeout * 1000)), event_bytes, reconnect, on_state, restored
    )
    context = Context(core, keeper, workers)
    found.append(context)
    return context


async def connect_async(path: str | os.PathLike[str] | None = None, **options: Any) -> Context:
    """The same, without holding up the loop."""
    return await asyncio.get_running_loop().run_in_executor(None, lambda: connect(path, **options))


def _at_exit() -> None:
    """Ends what the application has left open, in bounded time, while Python still runs."""
    if os.getpid() != _PROCESS:
        return
    for context in list(_contexts):
        try:
            context.close(0.2)
        except Exception:
            log_exception("the end of a context")
    dispatcher.end(1.0)
    if _left_behind and abi.NAME == "ctypes":
        # A callback that comes now would enter an interpreter that is gone. The C module has none that enter it.
        print("backplane: a handler does not return; the process ends without it", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


atexit.register(_at_exit)
