# SPDX-License-Identifier: Apache-2.0
"""The library through ctypes, where the C module is missing.

Here the callbacks of the host's threads are Python: they take the GIL, copy what they got, and return. So Python code
that keeps the GIL delays the host by up to sys.getswitchinterval() for each of them.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
from collections import deque
from typing import Any

from . import _structs
from ._cbor import dumps, loads
from ._values import Failed

NAME = "ctypes"
FOREVER = (1 << 64) - 1
PARTIAL, STALE, OK, OUT_OF_MEMORY = 4, 3, 0, 40
EVENT_GAP = 2
REPLY, CREDIT, EVENT, FUNCTION, STOP = 1, 2, 3, 4, 5
__all__ = ["dumps", "loads"]


def _load() -> ctypes.CDLL:
    wanted = os.environ.get("BACKPLANE_LIBRARY")
    if wanted:
        return ctypes.CDLL(wanted)
    name = ctypes.util.find_library("backplane") or "libbackplane.so.0"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(
            f"found no {name} ({error}); install libbackplane0, or set BACKPLANE_LIBRARY to its path"
        ) from None


class _Functions:
    """The functions that the library has, with their types."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, (result, arguments) in {**_structs.FUNCTIONS, **_structs.OPTIONAL}.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                if name in _structs.OPTIONAL:
                    continue
                raise ImportError(f"found a libbackplane.so without {name}; expected a newer one") from None
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


lib: Any = _Functions(_load())
HEADER_VERSION: str = lib.bp_version().decode()
HEADER_ABI: int = lib.bp_abi_version()


def struct(kind: str, /, **fields: Any) -> Any:
    made = _structs.struct(kind)()
    if hasattr(made, "struct_size"):
        made.struct_size = ctypes.sizeof(made)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def pointer(made: Any) -> Any:
    return ctypes.byref(made)


def by_value(made: Any) -> Any:
    return made


def handle(name: str, number: int) -> Any:
    return _structs.ID(number)


def text_view(data: bytes) -> Any:
    return _structs.bp_str(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data))


def bytes_view(data: bytes) -> Any:
    return _structs.bp_bytes(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data))


def c_text(data: bytes | None) -> Any:
    return data


def read(view: Any) -> bytes:
    return ctypes.string_at(view.data, view.size) if view.size else b""


def static_text(value: Any) -> str:
    found: str = value.decode()
    return found


# ---- The queue ----

Item = tuple[int, int, int, int, bytes, bytes, bytes, bytes, int, int]
_items: deque[Item] = deque()
_lock = threading.Lock()
_filled = threading.Condition(_lock)
_woken = False
_states: dict[int, Any] = {}  # what callbacks use, by their user pointer


def _push(item: Item) -> None:
    with _filled:
        _items.append(item)
        _filled.notify()


def wake() -> None:
    global _woken
    with _filled:
        _woken = True
        _filled.notify_all()


def take(timeout_ms: int) -> list[Item]:
    global _woken
    with _filled:
        if not _items and not _woken:
            _filled.wait(timeout_ms / 1000)
        _woken = False
        found = list(_items)
        _items.clear()
    for item in found:
        if item[0] == EVENT and (state := _states.get(item[1])) is not None:
            state.taken(item)
    return found


# ---- Calls ----


def _submission(name: bytes, payload: bytes, flags: int, timeout_ms: int, window_bytes: int, window_parts: int) -> Any:
    return struct(
        "bp_submission",
        flags=flags,
        name=text_view(name),
        payload=bytes_view(payload),
        timeout_ms=timeout_ms,
        window_bytes=window_bytes,
        window_parts=window_parts,
    )


def _wait(function: Any, pending: Any, timeout_ms: int, result: Any) -> None:
    """Waits in slices on the main thread, so that Python handles signals."""
    slice_ms = 100 if threading.current_thread() is threading.main_thread() else FOREVER
    while True:
        now = min(timeout_ms, slice_ms)
        status = function(pending, now, ctypes.byref(result))
        if timeout_ms != FOREVER:
            timeout_ms -= now
        if status != STALE or timeout_ms == 0:
            return


def call(context: int, name: str, payload: Any, raw: int, timeout_ms: int) -> Any:
    encoded = payload if raw & 1 else dumps(payload)
    wire = name.encode()
    pending = _structs.ID()
    submission = _submission(wire, encoded, 1, timeout_ms, 0, 0)
    status = lib.bp_call_start(_structs.ID(context), ctypes.byref(submission), ctypes.byref(pending))
    if status != OK:
        raise Failed(status, b"", b"")
    result = struct("bp_result")
    try:
        _wait(lib.bp_call_wait, pending, FOREVER, result)
        if result.status != OK:
            raise Failed(result.status, read(result.message), read(result.detail))
        answer = read(result.payload)
    finally:
        lib.bp_result_free(ctypes.byref(result))
        lib.bp_call_free(pending)
    return answer if raw & 2 else loads(answer)


def call_next(pending: int, timeout_ms: int) -> tuple[int, bytes, bytes, bytes]:
    result = struct("bp_result")
    try:
        _wait(lib.bp_call_next, _structs.ID(pending), timeout_ms, result)
        return result.status, read(result.payload), read(result.message), read(result.detail)
    finally:
        lib.bp_result_free(ctypes.byref(result))


def _reply_came(user: int, answer: Any) -> None:
    got = answer.contents
    if got.status != STALE:
        _push((REPLY, user, got.status, 0, b"", read(got.payload), read(got.message), read(got.detail), 0, 0))


_on_reply = _structs.reply_fn(_reply_came)


def _credit_came(user: int, size: int) -> None:
    _push((CREDIT, user, 0, 0, b"", b"", b"", b"", size, 0))


_on_credit = _structs.credit_fn(_credit_came)


def submit(
    context: int,
    key: int,
    name: str,
    payload: bytes,
    flags: int,
    timeout_ms: int,
    window_bytes: int,
    window_parts: int,
) -> tuple[int, int]:
    wire = name.encode()
    submission = _submission(wire, payload, flags, timeout_ms, window_bytes, window_parts)
    submission.on_reply = ctypes.cast(_on_reply, ctypes.c_void_p)
    if flags & 4:
        submission.on_credit = ctypes.cast(_on_credit, ctypes.c_void_p)
    submission.user = key
    request = _structs.ID()
    status = lib.bp_submit(_structs.ID(context), ctypes.byref(submission), ctypes.byref(request))
    return status, request.id


# ---- Events ----


class _Listening:
    """What waits for Python of one subscription, and what was lost; see native/queue.h."""

    def __init__(self, key: int, bound: int, waits: bool) -> None:
        self.key, self.bound, self.waits = key, bound, waits
        self.held = self.lost = self.since = 0
        self.ended = False
        self.room = threading.Condition(_lock)

    def gap(self) -> None:
        _items.append((EVENT, self.key, 0, EVENT_GAP, b"backplane.gap", b"", b"", b"", self.since, self.lost))
        self.lost = 0
        _filled.notify()

    def add(self, item: Item) -> bool:
        size = len(item[4]) + len(item[5]) + 64
        with _filled:
            while self.waits and not self.ended and self.held and self.held + size > self.bound:
                self.room.wait()
            if self.ended:
                return True
            if self.held and self.held + size > self.bound:
                self.since = self.since if self.lost else item[8]
                self.lost += item[9] if item[3] & EVENT_GAP else 1
                return False
            if self.lost:
                self.gap()
            self.held += size
            _items.append(item)
            _filled.notify()
            return True

    def taken(self, item: Item) -> None:
        if item[3] & EVENT_GAP and not item[5]:
            return
        with _filled:
            self.held -= len(item[4]) + len(item[5]) + 64
            if self.held <= 0 and self.lost and not self.ended:
                self.gap()
            self.room.notify_all()


def _event_came(user: int, event: Any) -> None:
    got = event.contents
    state = _states.get(user)
    item = (EVENT, user, 0, got.flags, read(got.name), read(got.payload), b"", b"", got.emitted_ms, got.lost)
    if state is not None and not state.add(item):
        lib.bp_event_drop(event)


_on_event = _structs.event_fn(_event_came)


def subscribe(
    context: int, key: int, pattern: bytes, flags: int, label: bytes, window: int, bound: int, waits: bool
) -> tuple[int, int, Any]:
    state = _states[key] = _Listening(key, bound, waits)
    subscription = struct(
        "bp_subscription",
        flags=flags,
        pattern=text_view(pattern),
        label=text_view(label),
        window_bytes=window,
        on_event=ctypes.cast(_on_event, ctypes.c_void_p),
        user=key,
    )
    listener = _structs.ID()
    status = lib.bp_subscribe(_structs.ID(context), ctypes.byref(subscription), ctypes.byref(listener))
    if status != OK:
        _states.pop(key, None)
    return status, listener.id, state


def unlisten(context: int, listener: int, state: Any, gone: bool) -> int:
    with _filled:
        state.ended = True
        state.room.notify_all()
    status: int = lib.bp_unlisten(_structs.ID(context), _structs.ID(listener))
    if _states.get(state.key) is state:
        del _states[state.key]
    return status


# ---- Host functions and the rest ----


def _function_came(user: int, context: Any, token: int, name: Any, payload: Any) -> None:
    _push((FUNCTION, user or 0, 0, 0, read(name), read(payload), b"", b"", token, context.id))


_on_function = _structs.function_fn(_function_came)


def _stop_came(user: int) -> None:
    _push((STOP, user or 0, 0, 0, b"", b"", b"", b"", 0, 0))


_on_stop = _structs.stop_fn(_stop_came)


def function_set(context: int, name: bytes, key: int | None) -> int:
    function = ctypes.cast(_on_function, ctypes.c_void_p) if key is not None else None
    status: int = lib.bp_function_set(_structs.ID(context), text_view(name), function, key)
    return status


def stop_function(key: int) -> tuple[Any, Any]:
    return ctypes.cast(_on_stop, ctypes.c_void_p), key


def expect(context: int, module: bytes, digest: bytes, cddl: bytes, result: Any) -> int:
    if not hasattr(lib, "bp_context_expect"):
        return 33
    status: int = lib.bp_context_expect(
        _structs.ID(context), text_view(module), text_view(digest), text_view(cddl), result
    )
    return status
