# SPDX-License-Identifier: Apache-2.0
"""Connects again after a connection broke."""
from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from . import _api, errors
from ._abi import abi
from ._core import Core
from ._dispatch import Item, dispatcher, log_exception


@dataclass(frozen=True, slots=True)
class Reconnect:
    """How a connection is made again. The wait before attempt n is random between (1 - jitter) * w and w, where w is
    initial * factor**(n - 1), and at most `maximum`."""

    enabled: bool = True
    initial: float = 0.1
    """seconds: 0.001 to maximum"""
    maximum: float = 10.0
    """seconds: initial to 3600"""
    factor: float = 2.0
    """1 to 10"""
    jitter: float = 0.5
    """0 to 1"""
    attempts: int = 0
    """then it gives up; 0: never"""

    def check(self) -> None:
        bounds = (
            ("maximum", self.maximum, 0.001, 3600.0),
            ("initial", self.initial, 0.001, self.maximum),
            ("factor", self.factor, 1.0, 10.0),
            ("jitter", self.jitter, 0.0, 1.0),
        )
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise errors.make(16, "reconnect", f"{name}: found {value}; expected {least} to {most}")

    def wait_before(self, attempt: int, part: float) -> float:
        wait = min(self.initial * self.factor ** min(attempt - 1, 64), self.maximum)
        return wait * (1 - self.jitter * part)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """What a connection does. `message`: why it is not connected; with "connected": what the host refuses now."""

    kind: Literal["connected", "lost", "waiting", "given_up"]
    attempt: int = 0
    wait: float = 0.0
    message: str = ""


class Keeper:
    """The thread of a connected context."""

    def __init__(
        self, core: Core, path: bytes | None, timeout_ms: int, event_bytes: int, reconnect: Reconnect,
        on_state: Callable[[ConnectionState], object] | None, restored: Callable[[], None],
    ) -> None:  # fmt: skip
        self._core = core
        self._how = (path, timeout_ms, event_bytes)
        self._where = path.decode("utf-8", "replace") if path else "backplane.sock"
        self._reconnect = reconnect
        self._on_state = on_state
        self._restored = restored
        self._changed = threading.Condition()
        self._stopped = self._broken = self._suspected = False
        self._reason = ""
        self._watch: tuple[int, int, int, Any] | None = None  # key, context, listener, state
        self._thread: threading.Thread | None = None
        core.native = self._open()
        core.suspect = self._suspect
        self._thread = threading.Thread(target=self._run, name="backplane-keeper", daemon=True)
        self._thread.start()

    # ---- One connection ----

    def _open(self) -> int:
        context, outcome = _api.connect(*self._how)
        if outcome.status != 0:
            raise errors.make(outcome.status, self._where, outcome.message, outcome.detail)

        def on_end(item: Item) -> None:
            reason = ""
            try:
                reason = abi.loads(item[5])["payload"]["reason"]
            except (ValueError, KeyError, TypeError):
                pass
            with self._changed:
                if self._watch is not None and self._watch[0] == item[1]:
                    self._broken, self._reason = True, str(reason)
                    self._changed.notify_all()

        key = dispatcher.add(on_end)
        with self._changed:
            self._watch, self._broken = (key, context, 0, None), False
        status, listener, state = abi.subscribe(context, key, b"backplane.disconnected", 0, b"", 0, 1 << 20, False)
        if status == 0:
            with self._changed:
                self._watch = (key, context, listener, state)
            # If it broke before that, nothing tells. So ask for something.
            status = self._probe(context)
        if status in (41, 40):
            self._forget()
            _api.destroy(context)
            raise errors.make(status, self._where, "the connection broke at once")
        return context

    @staticmethod
    def _probe(context: int) -> int:
        """Submits a call, and does not wait for its answer: only the refusal counts."""
        status, pending = _api.start(context, "client.probe", b"\xa0", _api.NO_STALE, 0, 0, 0)
        if status == 0:
            _api.call_free(pending)
        return status

    def _forget(self) -> None:
        with self._changed:
            watch, self._watch = self._watch, None
        if watch is None:
            return
        dispatcher.drop(watch[0])
        if watch[3] is not None:
            abi.unlisten(watch[1], watch[2], watch[3], False)

    # ---- The thread ----

    def _suspect(self) -> None:
        with self._changed:
            self._suspected = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._broken or self._suspected)
                if self._stopped:
                    return
                if not self._broken:
                    # The last event has the reason, so it may come first. But it may also wait behind many others.
                    self._suspected = False
                    self._changed.wait_for(lambda: self._stopped or self._broken, 0.05)
                broken = self._broken
            try:
                if broken or self._probe(self._core.native) == 41:
                    self._restore()
            except Exception:
                log_exception("a connection cannot be kept")

    def _restore(self) -> None:
        core = self._core
        with core.lock:
            native, core.native = core.native, 0
        with self._changed:
            reason = "the connection to the host is lost" + (f": {self._reason}" if self._reason else "")
            self._reason = ""
            self._broken = self._suspected = False
        self._say(reason, "; the client goes on trying, so call again later" if self._reconnect.enabled else "")
        self._forget()
        attached = core.each()
        for each in attached:
            each.detached(False)
        _api.destroy(native)
        self._tell(ConnectionState("lost", 0, 0.0, reason))
        if not self._reconnect.enabled:
            self._give_up(reason, 0)
            return
        attempt = 0
        while True:
            attempt += 1
            if not self._sleep(self._reconnect.wait_before(attempt, random.random())):
                return
            try:
                native = self._open()
                break
            except errors.CallError as wrong:
                plural = "s" if attempt > 1 else ""
                reason = f"no connection to the host after {attempt} attempt{plural}: {wrong.message}"
            self._say(reason, "; the client goes on trying, so call again later")
            if attempt == self._reconnect.attempts:
                self._give_up(reason, attempt)
                return
            wait = self._reconnect.wait_before(attempt + 1, 0)
            self._tell(ConnectionState("waiting", attempt, wait, reason))
        self._attach(native, attempt)

    def _attach(self, native: int, attempt: int) -> None:
        core = self._core
        refused = []
        with core.lock:
            if core.ended:
                self._forget()
                _api.destroy(native)
                return
            attached = []
            for each in core.attachments:
                status = each.attach(native)
                attached.append((each, status == 0))
                if status not in (0, 41):
                    refused.append(f"{each.name}: the host refuses it after a reconnect: {_api.status_text(status)}")
                    _api.log(4, refused[-1])
            core.native = native
            core.reason = ""
        for each, is_there in attached:
            each.restored(is_there)
        self._restored()
        self._tell(ConnectionState("connected", attempt, 0.0, "; ".join(refused)))

    def _give_up(self, reason: str, attempts: int) -> None:
        self._say(reason, "; the client has given up: make a new context")
        self._core.reconnects = False
        self._tell(ConnectionState("given_up", attempts, 0.0, reason))

    def _say(self, reason: str, more: str) -> None:
        with self._core.lock:
            self._core.reason = reason + more

    def _tell(self, state: ConnectionState) -> None:
        if self._on_state is None:
            return
        try:
            self._on_state(state)
        except Exception:
            log_exception("on_state")

    def _sleep(self, seconds: float) -> bool:
        with self._changed:
            return not self._changed.wait_for(lambda: self._stopped, seconds)

    def stop(self, timeout: float | None) -> None:
        """Ends the thread. From then on nothing is done any more."""
        self._core.suspect = None
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._forget()
