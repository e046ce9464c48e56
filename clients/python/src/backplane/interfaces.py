# SPDX-License-Identifier: Apache-2.0
"""Whether the modules of the host are those that the generated code was made for."""
from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from . import _api, errors
from ._abi import abi
from ._core import Core
from ._dispatch import Item, dispatcher, log_exception


@dataclass(slots=True)
class Expected:
    """A module as generated code knows it. `error`: the module has changed, so calls would be wrong."""

    module: str
    digest: str
    cddl: str = field(repr=False)
    error: errors.CallError | None = None


class Interfaces:
    """What a context relies on. The runtime compares again after each reload and reconnect."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._expected: dict[tuple[str, str], Expected] = {}
        self._key = 0
        self._listener: _Reloads | None = None

    def expect(self, module: str, digest: str, cddl: str) -> Expected:
        """Asks the host, once for each module and hash. Raises InterfaceChangedError, or NotFoundError."""
        with self._lock:
            known = self._expected.get((module, digest))
        if known is not None and known.error is None:
            return known
        expected = known or Expected(module, digest, cddl)
        self._watch()  # before the look: no reload between the two is missed
        with self._lock:
            self._expected[module, digest] = expected
        try:
            self._look(expected)
        except errors.CallError:
            with self._lock:
                self._expected.pop((module, digest), None)
            raise
        if expected.error is not None:
            raise expected.error.with_traceback(None)
        return expected

    def _watch(self) -> None:
        with self._lock:
            if self._listener is not None:
                return
            self._listener = _Reloads(self)
        self._core.add(self._listener)

    def _look(self, expected: Expected) -> None:
        """Compares, and raises if that cannot be done."""
        native = self._core.native
        outcome = _api.expect(native, expected.module, expected.digest, expected.cddl)
        if outcome.status == 33:
            outcome = self._compare_here(native, expected)
        if outcome.status == 47:
            error = errors.make(47, expected.module, outcome.message, outcome.detail)
            expected.error = error
        elif outcome.status == 0:
            expected.error = None
            if outcome.message:
                _api.log(1, f"{expected.module}: {outcome.message.decode('utf-8', 'replace')}")
        else:
            message = outcome.message
            if outcome.status == 43 and not message:
                message = f"no module {expected.module!r} runs; load it first".encode()
            raise self._core.failure(outcome.status, expected.module, message, outcome.detail, native)

    @staticmethod
    def _compare_here(native: int, expected: Expected) -> _api.Outcome:
        """For a host that does not compare: another hash counts as a change, without a verdict."""
        outcome = _api.modules(native)
        if outcome.status != 0:
            return outcome
        for module in abi.loads(outcome.payload).get("modules", ()):
            if module.get("name") == expected.module and module.get("state") == "running":
                found: Any = module.get("interface_hash", expected.digest)
                if found == expected.digest:
                    return _api.Outcome(0)
                text = (
                    f"the interface of {expected.module} has the hash {found}, expected {expected.digest}; the host "
                    "cannot say what has changed: generate the code again, or compare with `backplane inspect --against`"
                )
                return _api.Outcome(47, message=text.encode())
        return _api.Outcome(43)

    def recheck(self) -> None:
        """Compares all again. Runs on a thread of the client."""
        with self._lock:
            all_of_them = list(self._expected.values())
        for expected in all_of_them:
            before = expected.error
            try:
                self._look(expected)
            except errors.NotFoundError:
                continue  # calls tell it: the name is unknown
            except errors.CallError as wrong:
                _api.log(3, f"{expected.module}: its interface cannot be compared: {wrong}")
                continue
            if expected.error is not None and before is None:
                _api.log(3, f"{expected.module}: its interface has changed: {expected.error.message}")


class _Reloads:
    """Hears that modules change."""

    name = "backplane.module_*"

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        self._key = dispatcher.add(self._on_item)
        self._context = self._listener = 0
        self._state: Any = None

    def attach(self, context: int) -> int:
        status, listener, state = abi.subscribe(context, self._key, self.name.encode(), 0, b"", 0, 1 << 20, False)
        if status == 0:
            self._context, self._listener, self._state = context, listener, state
        return int(status)

    def _on_item(self, item: Item) -> None:
        threading.Thread(target=self._recheck, name="backplane-interfaces", daemon=True).start()

    def _recheck(self) -> None:
        try:
            self._interfaces.recheck()
        except Exception:
            log_exception("interfaces cannot be compared")

    def detached(self, gone: bool) -> None:
        state, self._state = self._state, None
        if state is not None:
            abi.unlisten(self._context, self._listener, state, gone)

    def restored(self, attached: bool) -> None:
        pass

    def close(self) -> None:
        self.detached(False)
        dispatcher.drop(self._key)
