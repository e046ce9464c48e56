# SPDX-License-Identifier: Apache-2.0
"""The thread that takes what the host's threads tell, and hands it to calls, listeners and functions. It runs no code of
the application. Also threads for that code, which never hold up the end of the process."""
from __future__ import annotations

import itertools
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from . import _api
from ._abi import abi

Item = Any  # (kind, key, status, flags, name, payload, message, detail, first, second)
REPLY, CREDIT, EVENT, FUNCTION, STOP = 1, 2, 3, 4, 5


def log_exception(what: str) -> None:
    """The exception that is handled, in the log of the process. Application code has raised it."""
    _api.log(4, f"{what}: {traceback.format_exc().strip()}")


class _Dispatcher:
    def __init__(self) -> None:
        self._keys = itertools.count(1)
        self._targets: dict[int, Callable[[Item], None]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = False

    def add(self, target: Callable[[Item], None]) -> int:
        """A key under which the target gets items. It must be quick and raise nothing."""
        key = next(self._keys)
        self._targets[key] = target
        if self._thread is None:
            self._start()
        return key

    def drop(self, key: int) -> None:
        self._targets.pop(key, None)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="backplane", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        targets, take = self._targets, abi.take
        while not self._ended:
            for item in take(3_600_000):
                target = targets.get(item[1])
                if target is None:
                    self._unwanted(item)
                    continue
                try:
                    target(item)
                except Exception:
                    log_exception("a reply or event cannot be delivered")

    @staticmethod
    def _unwanted(item: Item) -> None:
        """A call of a function that is withdrawn by now must have an answer."""
        if item[0] == FUNCTION:
            _api.complete(item[9], item[8], 19, b"", b"the application has withdrawn the function", b"")

    def end(self, timeout: float) -> None:
        self._ended = True
        abi.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def forked(self) -> None:
        """The child has no thread, and all handles are stale."""
        self._thread = None
        self._ended = True
        self._targets.clear()


dispatcher = _Dispatcher()
os.register_at_fork(after_in_child=dispatcher.forked)


class Pool:
    """Threads for host functions: more as they are needed, up to a limit. They end when there is nothing to do."""

    IDLE_SECONDS = 10.0

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._threads = self._idle = 0

    def post(self, job: Callable[[], None]) -> None:
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs) or self._threads >= self._limit:
                self._changed.notify()
                return
            self._threads += 1
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._idle += 1
                    self._changed.wait(self.IDLE_SECONDS)
                    self._idle -= 1
                if not self._jobs:
                    self._threads -= 1
                    return
                job = self._jobs.popleft()
            try:
                job()
            except BaseException:
                log_exception("a host function")
