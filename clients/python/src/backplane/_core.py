# SPDX-License-Identifier: Apache-2.0
"""What all parts of a context share: the native handle, which a reconnect replaces, and what is attached to it."""
from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterable
from typing import Any, Protocol

from . import _api, errors
from ._abi import abi
from ._dispatch import CREDIT, Item, dispatcher
from ._values import Failed
from .codecs import Codec

FOREVER = _api.FOREVER
Classes = dict[int, type[errors.CallError]]
PARTIAL = _api.PARTIAL


def milliseconds(timeout: float | None, name: str) -> int:
    """A timeout in seconds as the host takes it: 0 is none. One that has passed fails here."""
    if timeout is None:
        return 0
    if timeout <= 0:
        raise errors.make(24, name, "the timeout had passed before the call")
    return min(math.ceil(timeout * 1000), (1 << 63) - 1)


def encode(codec: Codec[Any] | None, value: Any, name: str) -> bytes:
    """The payload of a request. `codec` None: the value is plain."""
    try:
        if codec is not None:
            value = codec.encode(value)
            if codec.raw:
                return bytes(value)
        return bytes(abi.dumps(value))
    except ValueError as wrong:
        raise errors.make(20, name, f"this cannot be sent: {wrong}") from None


def _another_form(name: str, what: str, wrong: ValueError) -> errors.CallError:
    return errors.make(20, name, f"{what} has another form than expected: {wrong}")


def decode(codec: Codec[Any] | None, payload: bytes, name: str, what: str = "the answer") -> Any:
    """What a module answers or emits, which is read leniently. `codec` None: the value is plain."""
    try:
        if codec is None:
            return abi.loads(payload)
        return payload if codec.raw else codec.decode(abi.loads(payload))
    except ValueError as wrong:
        raise _another_form(name, what, wrong) from None


def decode_request(codec: Codec[Any] | None, payload: bytes, name: str) -> Any:
    """What a module asks, which is read strictly. An empty payload counts as an empty map."""
    try:
        if codec is not None and codec.raw:
            return payload
        plain = abi.loads(payload or b"\xa0")
        return plain if codec is None else codec.strict(plain)
    except ValueError as wrong:
        raise _another_form(name, "the request", wrong) from None


class Attachment(Protocol):
    """What a connection must be told again after a reconnect: a listener or a host function."""

    name: str

    def attach(self, context: int) -> int:
        """Tells the host."""

    def detached(self, gone: bool) -> None:
        """Its context can no longer be used; `gone`: no callback of it can come any more."""

    def restored(self, attached: bool) -> None:
        """It is attached to another connection, and calls work again; or it was refused."""


class Core:
    """Any thread may use it."""

    def __init__(self, connected: bool, reconnects: bool) -> None:
        self.connected = connected
        self.reconnects = reconnects
        self.native = 0  # 0: no connection, or ended
        self.ended = False
        self.lock = threading.RLock()
        self.attachments: list[Attachment] = []
        self.reason = ""
        self.suspect: Any = None  # called when a call finds the connection broken; must not wait

    # ---- Failures ----

    def meant(self, status: int, where: int) -> int:
        """A handle that is stale since a call began is a connection that has broken."""
        if status == 41 and self.suspect is not None and self.native == where:
            self.suspect()
        if status in (17, 26) and (self.native != where or where == 0):
            return 41 if self.connected and not self.ended else 26
        return status

    def failure(
        self, status: int, name: str, message: bytes | str = b"", detail: bytes = b"", where: int = 0,
        classes: Classes | None = None,
    ) -> errors.CallError:  # fmt: skip
        status = self.meant(status, where)
        if not message and status == 41:
            with self.lock:
                message = self.reason
        if not message and status == 16:
            message = f"found the name {name!r}, or options that are out of bounds; expected module.verb of 128 bytes"
        return errors.make(status, name, message, detail, classes)

    # ---- Calls ----

    def call(self, name: str, payload: Any, raw: int, timeout_ms: int, classes: Classes | None) -> Any:
        """Calls and waits. `raw` bit 0: the payload is bytes; bit 1: the answer is."""
        native = self.native
        try:
            return abi.call(native, name, payload, raw, timeout_ms)
        except (Failed, ValueError) as wrong:
            raise self.call_failure(wrong, name, native, classes) from None

    def call_failure(
        self, wrong: Failed | ValueError, name: str, native: int, classes: Classes | None
    ) -> errors.CallError:  # fmt: skip
        """What abi.call has raised, as an error of the application."""
        if isinstance(wrong, Failed):
            return self.failure(wrong.status, name, wrong.message, wrong.detail, native, classes)
        return errors.make(20, name, f"a payload cannot be sent or read: {wrong}")

    async def call_async(self, name: str, payload: bytes, timeout_ms: int, classes: Classes | None) -> bytes:
        """Calls and awaits the answer. A task that is canceled cancels the call."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Item] = loop.create_future()

        def deliver(item: Item) -> None:
            if not future.done():
                future.set_result(item)

        def on_item(item: Item) -> None:
            if item[2] == PARTIAL or item[0] == CREDIT:
                return
            dispatcher.drop(item[1])
            try:
                loop.call_soon_threadsafe(deliver, item)
            except RuntimeError:
                pass  # the loop is closed: nobody waits

        key = dispatcher.add(on_item)
        native = self.native
        status, request = abi.submit(native, key, name, payload, _api.NO_STALE, timeout_ms, 0, 0)
        if status != 0:
            dispatcher.drop(key)
            raise self.failure(status, name, where=native, classes=classes)
        try:
            item = await future
        except asyncio.CancelledError:
            _api.cancel(native, request)
            raise
        if item[2] != 0:
            raise self.failure(item[2], name, item[6], item[7], native, classes)
        answer: bytes = item[5]
        return answer

    # ---- What is attached ----

    def add(self, attachment: Attachment) -> int:
        """Attaches it now, or with the next connection. Returns a status; after an error it is not added."""
        with self.lock:
            native = self.native
            status = self.meant(17, 0) if native == 0 else self.meant(attachment.attach(native), native)
            if status == 41 and self.reconnects and not self.ended:
                status = 0
            if status == 0:
                self.attachments.append(attachment)
            return status

    def remove(self, attachment: Attachment) -> None:
        with self.lock:
            if attachment in self.attachments:
                self.attachments.remove(attachment)

    def each(self) -> Iterable[Attachment]:
        with self.lock:
            return list(self.attachments)
