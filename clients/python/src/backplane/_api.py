# SPDX-License-Identifier: Apache-2.0
"""The functions of backplane.h on numbers and bytes, the same for both ways to reach the library."""
from __future__ import annotations

import os
from typing import Any, NamedTuple

from ._abi import abi

FOREVER = (1 << 64) - 1
OK, PARTIAL, STALE = 0, 4, 3
NO_STALE, CREDIT, PARTS = 1, 2, 4
PART_LAST, PART_END = 1, 2
LISTEN_LOSSLESS, LISTEN_CREDIT = 2, 4
EVENT_TYPED, EVENT_GAP, EVENT_LOSSLESS = 1, 2, 4
lib = abi.lib


class Outcome(NamedTuple):
    """A status with what came with it."""

    status: int
    payload: bytes = b""
    message: bytes = b""
    detail: bytes = b""


def _context(number: int) -> Any:
    return abi.handle("bp_context", number)


def _finish(status: int, result: Any) -> Outcome:
    outcome = Outcome(status, abi.read(result.payload), abi.read(result.message), abi.read(result.detail))
    lib.bp_result_free(abi.pointer(result))
    return outcome


def path_bytes(path: str | os.PathLike[str] | bytes | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def version() -> str:
    return str(abi.static_text(lib.bp_version()))


def status_name(status: int) -> str:
    return str(abi.static_text(lib.bp_status_name(status)))


def status_text(status: int) -> str:
    return str(abi.static_text(lib.bp_status_text(status)))


def check_headers() -> None:
    why = abi.struct("bp_result")
    text = abi.HEADER_VERSION.encode()
    status = lib.bp_abi_check(abi.HEADER_ABI, abi.text_view(text), abi.pointer(why))
    outcome = _finish(status, why)
    if status != OK:
        raise ImportError(outcome.message.decode())


# ---- Contexts ----


def configure(options: dict[str, Any]) -> Outcome:
    kept = []
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, (str, os.PathLike)):
            kept.append(abi.c_text(os.fsencode(value)))
            value = kept[-1]
        fields[name] = value
    why = abi.struct("bp_result")
    made = abi.struct("bp_host_options", **fields)
    return _finish(lib.bp_host_configure(abi.pointer(made), abi.pointer(why)), why)


def create(options: dict[str, int]) -> tuple[int, Outcome]:
    why, out = abi.struct("bp_result"), abi.struct("bp_context")
    made = abi.struct("bp_context_options", **options)
    status = lib.bp_context_create(abi.pointer(made), abi.pointer(out), abi.pointer(why))
    return out.id, _finish(status, why)


def connect(path: bytes | None, timeout_ms: int, event_bytes: int) -> tuple[int, Outcome]:
    why, out = abi.struct("bp_result"), abi.struct("bp_context")
    text = abi.c_text(path)
    made = abi.struct("bp_connect_options", timeout_ms=timeout_ms, socket_path=text, event_bytes=event_bytes)
    status = lib.bp_context_connect(abi.pointer(made), abi.pointer(out), abi.pointer(why))
    return out.id, _finish(status, why)


def close(context: int) -> int:
    return int(lib.bp_context_close(_context(context)))


def stop(context: int, timeout_ms: int) -> int:
    return int(lib.bp_context_stop(_context(context), timeout_ms))


def destroy(context: int) -> int:
    return int(lib.bp_context_destroy(_context(context)))


def serve(context: int, path: bytes | None, may: int, key: int | None) -> tuple[int, Outcome]:
    why, out = abi.struct("bp_result"), abi.struct("bp_serving")
    options = abi.struct("bp_serve_options", may=may)
    if key is not None:
        options.on_stop, options.user = abi.stop_function(key)
    text = abi.c_text(path)
    status = lib.bp_context_serve(
        _context(context), text, abi.pointer(options), abi.pointer(out), abi.pointer(why)
    )
    return out.id, _finish(status, why)


def serving_end(serving: int, drain_ms: int) -> int:
    return int(lib.bp_serving_end(abi.handle("bp_serving", serving), drain_ms))


# ---- Calls ----


def start(
    context: int, name: str, payload: bytes, flags: int, timeout_ms: int, window_bytes: int, window_parts: int
) -> tuple[int, int]:
    wire = name.encode()
    out = abi.struct("bp_pending")
    submission = abi.struct(
        "bp_submission",
        flags=flags,
        name=abi.text_view(wire),
        payload=abi.bytes_view(payload),
        timeout_ms=timeout_ms,
        window_bytes=window_bytes,
        window_parts=window_parts,
    )
    status = lib.bp_call_start(_context(context), abi.pointer(submission), abi.pointer(out))
    return int(status), int(out.id)


def part(pending: int, payload: bytes, flags: int, timeout_ms: int) -> int:
    return int(lib.bp_call_part(abi.handle("bp_pending", pending), abi.bytes_view(payload), flags, timeout_ms))


def call_cancel(pending: int) -> int:
    return int(lib.bp_call_cancel(abi.handle("bp_pending", pending)))


def call_free(pending: int) -> None:
    lib.bp_call_free(abi.handle("bp_pending", pending))


def cancel(context: int, request: int) -> int:
    return int(lib.bp_cancel(_context(context), abi.handle("bp_request", request)))


def request_credit(context: int, request: int, size: int) -> int:
    return int(lib.bp_request_credit(_context(context), abi.handle("bp_request", request), size))


def request_part(context: int, request: int, payload: bytes, flags: int) -> int:
    view = abi.bytes_view(payload)
    return int(lib.bp_request_part(_context(context), abi.handle("bp_request", request), view, flags))


# ---- Events and host functions ----


def listener_credit(context: int, listener: int, size: int) -> int:
    return int(lib.bp_listener_credit(_context(context), abi.handle("bp_listener", listener), size))


def complete(context: int, token: int, status: int, payload: bytes, message: bytes, detail: bytes) -> int:
    answer = abi.struct(
        "bp_answer",
        status=status,
        payload=abi.bytes_view(payload),
        message=abi.text_view(message),
        detail=abi.bytes_view(detail),
    )
    return int(lib.bp_complete(_context(context), token, abi.pointer(answer)))


def expect(context: int, module: str, digest: str, cddl: str) -> Outcome:
    result = abi.struct("bp_result")
    status = abi.expect(context, module.encode(), digest.encode(), cddl.encode(), abi.pointer(result))
    return _finish(status, result)


# ---- Modules ----


def load_options(path: bytes | None, config: bytes, flags: int, stack_size: int, workers: int, drain_ms: int) -> Any:
    text = abi.c_text(path)
    made = abi.struct(
        "bp_load_options",
        flags=flags,
        path=text,
        config=abi.bytes_view(config),
        stack_size=stack_size,
        workers=workers,
        drain_ms=drain_ms,
    )
    return made, text  # the text must stay as long as the struct


def load(context: int, options: Any) -> Outcome:
    result = abi.struct("bp_result")
    return _finish(lib.bp_module_load(_context(context), abi.pointer(options[0]), abi.pointer(result)), result)


def unload(context: int, module: str, timeout_ms: int) -> Outcome:
    result = abi.struct("bp_result")
    name = module.encode()
    status = lib.bp_module_unload(_context(context), abi.text_view(name), timeout_ms, abi.pointer(result))
    return _finish(status, result)


def reload(context: int, module: str, options: Any, timeout_ms: int) -> Outcome:
    result = abi.struct("bp_result")
    name = module.encode()
    status = lib.bp_module_reload(
        _context(context), abi.text_view(name), abi.pointer(options[0]), timeout_ms, abi.pointer(result)
    )
    return _finish(status, result)


def modules(context: int) -> Outcome:
    result = abi.struct("bp_result")
    return _finish(lib.bp_module_list(_context(context), abi.pointer(result)), result)


def inspect(path: bytes) -> Outcome:
    result = abi.struct("bp_result")
    text = abi.c_text(path)
    return _finish(lib.bp_module_inspect(text, abi.pointer(result)), result)


def host_status(context: int) -> Outcome:
    result = abi.struct("bp_result")
    return _finish(lib.bp_host_status(_context(context), abi.pointer(result)), result)


def host_stop(context: int) -> int:
    return int(lib.bp_host_stop(_context(context)))


def log(level: int, text: str) -> None:
    """A line in the log of the process."""
    where, line = b"python", text.encode("utf-8", "replace")
    lib.bp_log_write(level, 0, abi.text_view(where), abi.text_view(line))
