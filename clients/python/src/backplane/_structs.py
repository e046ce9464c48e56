# SPDX-License-Identifier: Apache-2.0
"""The structs of backplane.h for ctypes."""
from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any


def _struct(name: str, *fields: tuple[str, Any]) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": list(fields)})


def _u32(names: str) -> list[tuple[str, Any]]:
    return [(name, c_uint32) for name in names.split()]


ID = _struct("ID", ("id", c_uint64))
bp_bytes = _struct("bp_bytes", ("data", c_void_p), ("size", c_size_t))
bp_str = _struct("bp_str", ("data", c_void_p), ("size", c_size_t))
_answer = [("struct_size", c_uint32), ("status", c_int32), ("payload", bp_bytes), ("message", bp_str),
           ("detail", bp_bytes)]  # fmt: skip
bp_result = _struct("bp_result", *_answer, ("owner", c_void_p))
bp_answer = _struct("bp_answer", *_answer, ("buffer", c_void_p))
bp_host_options = _struct(
    "bp_host_options",
    *_u32("struct_size worker_threads"),
    ("data_dir", c_char_p),
    ("module_dirs", c_void_p),
    *_u32("watchdog_period_ms watchdog_threshold_ms watchdog_start_grace_ms"),
    ("memory_limit", c_uint64),
    *_u32("load_timeout_ms crash_line"),
    ("trial_program", c_char_p),
    ("module_cache", c_char_p),
)
bp_context_options = _struct(
    "bp_context_options",
    *_u32("struct_size queue_depth event_queue_depth stale_interval_ms stop_timeout_ms fiber_stack_size"),
    ("spin_us", c_int32),
    ("fiber_limit", c_int32),
    *_u32("on_event_overflow event_log_events"),
    ("event_log_bytes", c_uint64),
    ("window_bytes", c_uint64),
    ("window_parts", c_uint32),
    ("cpu_warning_ms", c_int32),
    *_u32("call_depth suspended_limit suspended_per_name calls_per_name"),
    ("request_window_bytes", c_uint64),
    *_u32("request_window_parts listener_patterns stalled_listener_ms reserved"),
    ("context_memory", c_uint64),
)
bp_connect_options = _struct(
    "bp_connect_options",
    *_u32("struct_size timeout_ms"),
    ("socket_path", c_char_p),
    ("event_bytes", c_uint64),
)
bp_submission = _struct(
    "bp_submission",
    *_u32("struct_size flags"),
    ("method", ID),
    ("name", bp_str),
    ("payload", bp_bytes),
    ("buffer", c_void_p),
    ("timeout_ms", c_uint64),
    ("on_reply", c_void_p),
    ("user", c_void_p),
    ("source", ID),
    ("window_bytes", c_uint64),
    *_u32("window_parts reserved"),
    ("on_credit", c_void_p),
)
bp_subscription = _struct(
    "bp_subscription",
    *_u32("struct_size flags"),
    ("pattern", bp_str),
    ("on_event", c_void_p),
    ("user", c_void_p),
    ("label", bp_str),
    ("window_bytes", c_uint64),
)
bp_event = _struct(
    "bp_event",
    *_u32("struct_size flags"),
    ("name", bp_str),
    ("payload", bp_bytes),
    ("listener", ID),
    ("lost", c_uint64),
    ("emitted_ms", c_uint64),
)
bp_load_options = _struct(
    "bp_load_options",
    *_u32("struct_size flags"),
    ("path", c_char_p),
    ("config", bp_bytes),
    ("stack_size", c_uint64),
    *_u32("workers drain_ms"),
)
bp_serve_options = _struct(
    "bp_serve_options",
    *_u32("struct_size may"),
    ("on_stop", c_void_p),
    ("user", c_void_p),
    *_u32("max_peers reserved"),
)

reply_fn = ctypes.CFUNCTYPE(None, c_void_p, POINTER(bp_answer))
credit_fn = ctypes.CFUNCTYPE(None, c_void_p, c_uint64)
event_fn = ctypes.CFUNCTYPE(None, c_void_p, POINTER(bp_event))
function_fn = ctypes.CFUNCTYPE(None, c_void_p, ID, c_uint64, bp_str, bp_bytes)
stop_fn = ctypes.CFUNCTYPE(None, c_void_p)

_IDS = {"bp_context", "bp_request", "bp_pending", "bp_listener", "bp_serving"}


def struct(name: str) -> type[ctypes.Structure]:
    """The struct of this name."""
    found: type[ctypes.Structure] = ID if name in _IDS else globals()[name]
    return found


_PTR = c_void_p
_STATUS = c_int32
#: Result and arguments of each function that is used.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "bp_version": (c_char_p, []),
    "bp_abi_version": (c_uint32, []),
    "bp_status_name": (c_char_p, [_STATUS]),
    "bp_status_text": (c_char_p, [_STATUS]),
    "bp_abi_check": (_STATUS, [c_uint32, bp_str, _PTR]),
    "bp_host_configure": (_STATUS, [_PTR, _PTR]),
    "bp_context_create": (_STATUS, [_PTR, _PTR, _PTR]),
    "bp_context_connect": (_STATUS, [_PTR, _PTR, _PTR]),
    "bp_context_close": (_STATUS, [ID]),
    "bp_context_stop": (_STATUS, [ID, c_uint32]),
    "bp_context_destroy": (_STATUS, [ID]),
    "bp_submit": (_STATUS, [ID, _PTR, _PTR]),
    "bp_call_start": (_STATUS, [ID, _PTR, _PTR]),
    "bp_call_next": (_STATUS, [ID, c_uint64, _PTR]),
    "bp_call_wait": (_STATUS, [ID, c_uint64, _PTR]),
    "bp_call_part": (_STATUS, [ID, bp_bytes, c_uint32, c_uint64]),
    "bp_call_cancel": (_STATUS, [ID]),
    "bp_call_free": (None, [ID]),
    "bp_cancel": (_STATUS, [ID, ID]),
    "bp_request_credit": (_STATUS, [ID, ID, c_uint64]),
    "bp_request_part": (_STATUS, [ID, ID, bp_bytes, c_uint32]),
    "bp_subscribe": (_STATUS, [ID, _PTR, _PTR]),
    "bp_unlisten": (_STATUS, [ID, ID]),
    "bp_event_drop": (_STATUS, [_PTR]),
    "bp_listener_credit": (_STATUS, [ID, ID, c_uint64]),
    "bp_function_set": (_STATUS, [ID, bp_str, _PTR, _PTR]),
    "bp_complete": (_STATUS, [ID, c_uint64, _PTR]),
    "bp_module_load": (_STATUS, [ID, _PTR, _PTR]),
    "bp_module_unload": (_STATUS, [ID, bp_str, c_uint32, _PTR]),
    "bp_module_reload": (_STATUS, [ID, bp_str, _PTR, c_uint32, _PTR]),
    "bp_module_list": (_STATUS, [ID, _PTR]),
    "bp_module_inspect": (_STATUS, [c_char_p, _PTR]),
    "bp_host_status": (_STATUS, [ID, _PTR]),
    "bp_host_stop": (_STATUS, [ID]),
    "bp_context_serve": (_STATUS, [ID, c_char_p, _PTR, _PTR, _PTR]),
    "bp_serving_end": (_STATUS, [ID, c_uint32]),
    "bp_result_free": (None, [_PTR]),
    "bp_log_write": (None, [c_int32, c_uint32, bp_str, bp_str]),
}
#: Functions that older libraries do not have.
OPTIONAL: dict[str, tuple[Any, list[Any]]] = {
    "bp_context_expect": (_STATUS, [ID, bp_str, bp_str, bp_str, _PTR]),
    "bp_context_provide": (_STATUS, [ID, bp_str, _PTR, _PTR]),
    "bp_context_withdraw": (_STATUS, [ID, bp_str]),
}
