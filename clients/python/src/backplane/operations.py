# SPDX-License-Identifier: Apache-2.0
"""Loads, unloads and reloads modules, and reports. Reports are dicts; docs/protocol.md has them in CDDL."""
from __future__ import annotations

import os
from typing import Any

from . import _api, errors
from ._abi import abi
from ._core import Core, decode, encode
from ._api import Outcome

LOAD_SETTINGS = 1
LOAD_UNLOAD_NEVER = 2
LOAD_OLD_FIRST = 4
LOAD_STRICT = 8
LOAD_COMPARE = 16

Path = str | os.PathLike[str]


def _report(core: Core, name: str, native: int, outcome: Outcome) -> dict[str, Any]:
    if outcome.status != 0:
        raise core.failure(outcome.status, name, outcome.message, outcome.detail, native)
    report: dict[str, Any] = decode(None, outcome.payload, name, "the report")
    return report


def _options(path: Path | None, config: Any, flags: int, stack_size: int, workers: int, drain: float) -> Any:
    encoded = b"" if config is None else encode(None, config, "config")
    return encoded, _api.load_options(
        _api.path_bytes(path), encoded, flags, stack_size, workers, round(drain * 1000)
    )


class Operations:
    """The part of a Context that manages modules. These functions wait. Times are in seconds."""

    _core: Core

    def load(
        self, path: Path, config: Any = None, *, flags: int = 0, stack_size: int = 0, workers: int = 0
    ) -> dict[str, Any]:
        """Loads a module. Over a connection, the host opens the file. Raises CallError: the message says why."""
        native = self._core.native
        kept, options = _options(path, config, flags, stack_size, workers, 0.0)
        return _report(self._core, str(path), native, _api.load(native, options))

    def unload(self, module: str, *, drain: float = 0.0) -> dict[str, Any]:
        """Unloads a module, when its running work has ended, for `drain` seconds at most; 0: 5. Raises CallError;
        PinnedError has the report as its detail."""
        native = self._core.native
        return _report(self._core, module, native, _api.unload(native, module, round(drain * 1000)))

    def reload(
        self, module: str, path: Path | None = None, config: Any = None, *, flags: int = 0, stack_size: int = 0,
        workers: int = 0, drain: float = 0.0,
    ) -> dict[str, Any]:  # fmt: skip
        """Replaces a running module by the file at `path`; None: by its old file. Raises CallError."""
        native = self._core.native
        kept, options = _options(path, config, flags, stack_size, workers, drain)
        return _report(self._core, module, native, _api.reload(native, module, options, round(drain * 1000)))

    def compare(self, module: str, path: Path) -> dict[str, Any]:
        """What a reload from that file would change in the interface. Nothing is loaded. Raises CallError."""
        return self.reload(module, path, flags=LOAD_COMPARE)

    def modules(self) -> list[dict[str, Any]]:
        """The modules of the host. Raises CallError."""
        native = self._core.native
        found: list[dict[str, Any]] = _report(self._core, "modules", native, _api.modules(native))["modules"]
        return found

    def status(self) -> dict[str, Any]:
        """The status-report of the host. Raises CallError."""
        native = self._core.native
        return _report(self._core, "status", native, _api.host_status(native))

    def stop_host(self) -> None:
        """Asks the process that serves a connected context to drain and exit. Raises CallError."""
        native = self._core.native
        status = _api.host_stop(native)
        if status != 0:
            raise self._core.failure(status, "stop", where=native)


def inspect(path: Path) -> dict[str, Any]:
    """The manifest-report of a module file. None of its code runs. Raises CallError."""
    outcome = _api.inspect(os.fsencode(path))
    if outcome.status != 0:
        raise errors.make(outcome.status, str(path), outcome.message, outcome.detail)
    report: dict[str, Any] = abi.loads(outcome.payload)
    return report
