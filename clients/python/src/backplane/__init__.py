# SPDX-License-Identifier: Apache-2.0
"""The Python client of Backplane: calls modules of a host in this process (embed) or of a running one (connect).

    import backplane

    with backplane.connect() as context:
        print(context.call("echo.shout", {"text": "hello"}, timeout=1))

`backplane bindgen python` generates typed modules over this package.
"""
from __future__ import annotations

from . import _api, cbor
from ._abi import abi as _abi
from .astreams import AsyncStream
from .context import Context, Serving, configure, connect, connect_async, embed
from .errors import *  # noqa: F403
from .errors import CallError, ModuleError
from .events import AsyncEvents, Event, Events, Gap, Listener, OnGap
from .functions import Provided
from .generated import Module
from .keeper import ConnectionState, Reconnect
from .operations import (
    LOAD_COMPARE,
    LOAD_OLD_FIRST,
    LOAD_SETTINGS,
    LOAD_STRICT,
    LOAD_UNLOAD_NEVER,
    inspect,
)
from .streams import Stream

__all__ = [
    "BACKEND", "LOAD_COMPARE", "LOAD_OLD_FIRST", "LOAD_SETTINGS", "LOAD_STRICT", "LOAD_UNLOAD_NEVER", "AsyncEvents",
    "AsyncStream", "CallError", "ConnectionState", "Context", "Event", "Events", "Gap", "Listener", "Module",
    "ModuleError", "OnGap", "Provided", "Reconnect", "Serving", "Stream", "cbor", "configure", "connect",
    "connect_async", "embed", "inspect", "library_version",
]  # fmt: skip

_api.check_headers()

#: How the library is reached: "cffi" or "ctypes".
BACKEND: str = _abi.NAME
#: The version of the headers that the C module was built with; with ctypes, that of the library.
__version__: str = _abi.HEADER_VERSION


def library_version() -> str:
    """The version of libbackplane.so."""
    return _api.version()
