# SPDX-License-Identifier: Apache-2.0
"""Events: listeners with a callback, and iterators."""
from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import _api
from ._abi import abi
from ._core import Core, decode
from ._dispatch import Item, dispatcher, log_exception
from .codecs import Codec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gap:
    """Some events are lost, in whose place this comes."""

    lost: int
    """how many; 0: unknown, because the connection was lost"""
    since_ms: int
    """when the first of them was emitted, Unix time; 0: unknown"""
    reconnected: bool
    """the connection was lost, and the listener is registered again"""


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """An event with what comes with it."""

    name: str
    payload: T
    emitted_ms: int
    """Unix time; 0: unknown, as on a connection"""


OnGap = Callable[[Gap], object]


class Subscription(Generic[T]):
    """What listeners and iterators have in common. Closing one twice is allowed."""

    def __init__(
        self, core: Core, pattern: str, codec: Codec[T] | None, on_gap: OnGap | None, lossless: bool, label: str,
        queue_bytes: int,
    ) -> None:  # fmt: skip
        self.name = pattern
        self._core = core
        self._codec = codec
        self._on_gap = on_gap
        self._lossless = lossless
        self._label = label.encode()
        self._queue_bytes = queue_bytes
        self._context = 0
        self._listener = 0
        self._state: Any = None
        self._credits = False
        self._waiting = 0  # bytes that wait for the reader
        self._closed = False
        self._held: list[Any] | None = None  # while a connection is restored: what comes before its gap
        self._changed = threading.Lock()
        self._key = dispatcher.add(self._on_item)
        #: Events that were lost, as gaps told; gaps, also of reconnects; events whose payload had another form.
        self.lost = self.gaps = self.unread = 0

    def _begin(self) -> None:
        status = self._core.add(self)
        if status == 0:
            return
        dispatcher.drop(self._key)
        message = ""
        if status == 16:
            message = f'found the pattern {self.name!r}; expected the name of an event, or a prefix and "*"'
        elif status == 33:
            message = "the host knows no lossless listeners; listen without"
        raise self._core.failure(status, self.name, message, where=self._core.native)

    # ---- Attachment ----

    def attach(self, context: int) -> int:
        if self._core.native == 0:  # a connection is restored
            with self._changed:
                self._held = self._held or []
        self._credits = self._lossless and not self._core.connected
        flags = (_api.LISTEN_LOSSLESS if self._lossless else 0) | (_api.LISTEN_CREDIT if self._credits else 0)
        waits = self._lossless and not self._credits
        bound = (1 << 62) if self._credits else self._queue_bytes
        status, listener, state = abi.subscribe(
            context, self._key, self.name.encode(), flags, self._label, 0, bound, waits
        )
        if status == 0:
            self._context, self._listener, self._state = context, listener, state
        return int(status)

    def detached(self, gone: bool) -> None:
        with self._changed:
            self._held = []
            state, self._state = self._state, None
        if state is not None:
            abi.unlisten(self._context, self._listener, state, gone)
            self._context = 0

    def restored(self, attached: bool) -> None:
        with self._changed:
            held, self._held = self._held, None
            if attached and not self._closed:
                self._deliver(Gap(0, 0, True))
                for item in held or ():
                    self._deliver(item)

    # ---- Delivery ----

    def _on_item(self, item: Item) -> None:
        made: Any = Gap(item[9], item[8], False) if item[3] & _api.EVENT_GAP else item
        with self._changed:
            if self._closed:
                return
            if self._held is not None:
                self._held.append(made)
            else:
                self._deliver(made)

    def _deliver(self, made: Any) -> None:
        raise NotImplementedError

    def _read(self, item: Item) -> Event[T] | None:
        """The event of an item, or None if its payload has another form: it is counted and logged."""
        name = item[4].decode()
        try:
            if not item[3] & _api.EVENT_TYPED:
                return Event(name, decode(self._codec, item[5], name, "the event"), item[8])
            whole = abi.loads(item[5])
            inner = whole.get("payload") if isinstance(whole, dict) else None
            payload: Any = inner if self._codec is None else self._codec.decode(inner)
            return Event(name, payload, item[8])
        except ValueError as wrong:
            self.unread += 1
            _api.log(3, f"{name}: an event has another form than the listener expects: {wrong}")
            return None

    def _admit(self, made: Any) -> Any:
        """Counts what waits for the reader; what does not fit becomes a gap."""
        if isinstance(made, Gap):
            return made
        size = len(made[5]) + 64
        if not self._credits and self._waiting and self._waiting + size > self._queue_bytes:
            return Gap(1, made[8], False)
        self._waiting += size
        return made

    def _done(self, item: Item) -> None:
        """The reader is done with it."""
        if self._credits and item[3] & _api.EVENT_LOSSLESS:
            _api.listener_credit(self._context, self._listener, len(item[4]) + len(item[5]))

    def _gap(self, gap: Gap) -> None:
        self.lost += gap.lost
        self.gaps += 1
        if self._on_gap is not None:
            try:
                self._on_gap(gap)
            except Exception:
                log_exception(f"the gap of {self.name}")

    def close(self) -> None:
        """Ends it. No callback begins any more; one that runs on another thread may still do."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            state, self._state = self._state, None
        self._core.remove(self)
        dispatcher.drop(self._key)
        if state is not None:
            abi.unlisten(self._context, self._listener, state, False)

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


S = TypeVar("S", bound=Subscription[Any])


class Deliveries:
    """A thread that runs callbacks, one at a time, in order."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._runs = False

    def post(self, job: Callable[[], None]) -> None:
        with self._changed:
            self._jobs.append(job)
            if self._runs:
                self._changed.notify()
                return
            self._runs = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._changed.wait(10)
                if not self._jobs:
                    self._runs = False
                    return
                job = self._jobs.popleft()
            job()


class Listener(Subscription[T]):
    """A subscription whose callback runs on a thread of the client; see Context.on."""

    def __init__(
        self, core: Core, pattern: str, codec: Codec[T] | None, callback: Callable[[Any], object], whole: bool,
        deliveries: Deliveries, on_gap: OnGap | None, lossless: bool, label: str, queue_bytes: int,
    ) -> None:  # fmt: skip
        super().__init__(core, pattern, codec, on_gap, lossless, label, queue_bytes)
        self._callback = callback
        self._whole = whole
        self._deliveries = deliveries
        self._begin()

    def _deliver(self, made: Any) -> None:
        made = self._admit(made)
        self._deliveries.post(lambda: self._run(made))

    def _run(self, made: Any) -> None:
        if self._closed:
            return
        if isinstance(made, Gap):
            self._gap(made)
            return
        event = self._read(made)
        if event is not None:
            try:
                self._callback(event if self._whole else event.payload)
            except Exception:
                log_exception(f"a listener of {self.name}")
        with self._changed:
            self._waiting -= len(made[5]) + 64
        self._done(made)


class Events(Subscription[T], Iterator[T]):
    """Events as an iterator, which waits for the next one. close() on another thread ends it."""

    def __init__(
        self, core: Core, pattern: str, codec: Codec[T] | None, on_gap: OnGap | None, lossless: bool, label: str,
        queue_bytes: int, whole: bool,
    ) -> None:  # fmt: skip
        super().__init__(core, pattern, codec, on_gap, lossless, label, queue_bytes)
        self._came: deque[Any] = deque()
        self._news = threading.Condition()
        self._whole = whole
        self._begin()

    def _deliver(self, made: Any) -> None:
        with self._news:
            made = self._admit(made)
            self._came.append(made)
            self._news.notify()

    def __iter__(self) -> Events[T]:
        return self

    def __next__(self) -> T:
        found = self.get(None)
        if found is None:
            raise StopIteration
        event: Any = found if self._whole else found.payload
        return event  # type: ignore[no-any-return]

    def get(self, timeout: float | None = None) -> Event[T] | None:
        """The next event, or None if none comes in so many seconds, or it is closed."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._came or self._closed, timeout)
                if not self._came or self._closed:
                    return None
                made = self._came.popleft()
                if not isinstance(made, Gap):
                    self._waiting -= len(made[5]) + 64
            if isinstance(made, Gap):
                self._gap(made)
                continue
            event = self._read(made)
            self._done(made)
            if event is not None:
                return event

    def close(self) -> None:
        super().close()
        with self._news:
            self._news.notify_all()


class AsyncEvents(Subscription[T], AsyncIterator[T]):
    """Events as an async iterator. It belongs to the loop in which it was made. `on_gap` may be `async def`."""

    def __init__(
        self, core: Core, pattern: str, codec: Codec[T] | None, on_gap: OnGap | None, lossless: bool, label: str,
        queue_bytes: int, whole: bool,
    ) -> None:  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._came: deque[Any] = deque()
        self._news = asyncio.Event()
        self._whole = whole
        super().__init__(core, pattern, codec, on_gap, lossless, label, queue_bytes)
        self._begin()

    def _deliver(self, made: Any) -> None:
        made = self._admit(made)
        self._came.append(made)
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:
            pass  # the loop is closed

    def __aiter__(self) -> AsyncEvents[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            while not self._came:
                if self._closed:
                    raise StopAsyncIteration
                self._news.clear()
                if not self._came:
                    await self._news.wait()
            if self._closed:
                raise StopAsyncIteration
            made = self._came.popleft()
            if isinstance(made, Gap):
                self.lost += made.lost
                self.gaps += 1
                if self._on_gap is not None:
                    result = self._on_gap(made)
                    if inspect.isawaitable(result):
                        await result
                continue
            with self._changed:
                self._waiting -= len(made[5]) + 64
            event = self._read(made)
            self._done(made)
            if event is not None:
                found: Any = event if self._whole else event.payload
                return found  # type: ignore[no-any-return]

    def close(self) -> None:
        super().close()
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:
            pass

    async def aclose(self) -> None:
        self.close()

    async def __aenter__(self) -> AsyncEvents[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
