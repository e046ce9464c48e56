# SPDX-License-Identifier: Apache-2.0
"""The library through the C module: callbacks of the host's threads never take the GIL."""
from __future__ import annotations

import threading
from typing import Any

from . import _values
from ._native import ffi, lib  # type: ignore[import]

NAME = "cffi"

_space: dict[str, Any] = {
    "EncodeError": _values.EncodeError,
    "DecodeError": _values.DecodeError,
    "Failed": _values.Failed,
    "Tag": _values.Tag,
    "Simple": _values.Simple,
    "UNDEFINED": _values.UNDEFINED,
}
if not lib.bpp_install(ffi.cast("void *", id(_space)), threading.main_thread().ident or 0):
    raise ImportError("the C module of backplane cannot start")

dumps = _space["dumps"]
loads = _space["loads"]
call = _space["call"]
call_next = _space["next"]
submit = _space["submit"]
take = _space["take"]
time_calls = _space["time_calls"]
time_parts = _space["time_parts"]
wake = lib.bpp_wake
HEADER_VERSION: str = ffi.string(lib.bpp_header_version).decode()
HEADER_ABI: int = lib.bpp_header_abi


def struct(kind: str, /, **fields: Any) -> Any:
    """A new struct. One that has a struct_size gets it. Bytes that fields point to must stay."""
    made = ffi.new(kind + " *")
    if hasattr(made, "struct_size"):
        made.struct_size = ffi.sizeof(kind)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def pointer(made: Any) -> Any:
    return made


def by_value(made: Any) -> Any:
    return made[0]


def handle(name: str, number: int) -> Any:
    return ffi.new(name + " *", [number])[0]


def text_view(data: bytes) -> Any:
    return ffi.new("bp_str *", [ffi.cast("char *", ffi.from_buffer(data)), len(data)])[0]


def bytes_view(data: bytes) -> Any:
    return ffi.new("bp_bytes *", [ffi.cast("uint8_t *", ffi.from_buffer(data)), len(data)])[0]


def c_text(data: bytes | None) -> Any:
    """A text that ends in NUL. Keep what this returns until the function that gets it has returned."""
    return ffi.NULL if data is None else ffi.new("char[]", data)


def read(view: Any) -> bytes:
    return bytes(ffi.buffer(view.data, view.size)) if view.size else b""


def static_text(value: Any) -> str:
    found: str = ffi.string(value).decode()
    return found


def subscribe(
    context: int, key: int, pattern: bytes, flags: int, label: bytes, window: int, bound: int, waits: bool
) -> tuple[int, int, Any]:
    subscription = struct("bp_subscription", flags=flags, pattern=text_view(pattern), label=text_view(label))
    subscription.window_bytes = window
    listener = ffi.new("bp_listener *")
    state = ffi.new("bpp_listening **")
    status = lib.bpp_subscribe(handle("bp_context", context), key, subscription, bound, waits, listener, state)
    return status, listener.id, state[0]


def unlisten(context: int, listener: int, state: Any, gone: bool) -> int:
    status: int = lib.bpp_unlisten(handle("bp_context", context), handle("bp_listener", listener), state, gone)
    return status


def function_set(context: int, name: bytes, key: int | None) -> int:
    function = ffi.addressof(lib, "bpp_on_function") if key is not None else ffi.NULL
    user = ffi.cast("void *", key or 0)
    status: int = lib.bp_function_set(handle("bp_context", context), text_view(name), function, user)
    return status


def stop_function(key: int) -> tuple[Any, Any]:
    return ffi.addressof(lib, "bpp_on_stop"), ffi.cast("void *", key)


def expect(context: int, module: bytes, digest: bytes, cddl: bytes, result: Any) -> int:
    status: int = lib.bpp_expect(
        handle("bp_context", context), text_view(module), text_view(digest), text_view(cddl), result
    )
    return status
