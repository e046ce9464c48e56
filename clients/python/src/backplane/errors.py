# SPDX-License-Identifier: Apache-2.0
"""How calls fail: an exception class for each status of the host, below CallError."""
from __future__ import annotations

from typing import Any, ClassVar

from . import _api
from ._abi import abi
from .codecs import Codec

MODULE_FIRST = 1000


class CallError(Exception):
    """A call that failed, here or at the host.

    status: the number; name: of the call, module, event or function; message: for people; detail: for programs, decoded
    CBOR or None; detail_bytes: the same as it came.
    """

    #: The status that a class stands for.
    STATUS: int = 1
    #: How its detail is read and written; None: it is plain.
    DETAIL: ClassVar[Codec[Any] | None] = None

    def __init__(
        self, message: str = "", *, status: int | None = None, name: str = "", detail: Any = None,
        detail_bytes: bytes = b"",
    ) -> None:  # fmt: skip
        self.status = type(self).STATUS if status is None else status
        self.name = name
        self.message = message or _api.status_text(self.status)
        self.detail = detail
        self.detail_bytes = detail_bytes
        super().__init__(self.message)

    @property
    def status_name(self) -> str:
        """The name of the status: "deadline"; "module" for one of a module's own."""
        return _api.status_name(self.status)

    def __str__(self) -> str:
        where = f"{self.name}: " if self.name else ""
        return f"{where}{self.message} ({self.status_name}, {self.status})"


class ModuleError(CallError):
    """A status of a module's own: 1000 and above. Generated modules have a class for each that they declare."""

    STATUS = MODULE_FIRST


class HandlerError(CallError):
    """error: the handler replied with an error."""

    STATUS = 1


class InvalidArgumentError(CallError, ValueError):
    """invalid_argument"""

    STATUS = 16


class InvalidHandleError(CallError):
    """invalid_handle"""

    STATUS = 17


class UnknownNameError(CallError):
    """unknown_name: no loaded module has this wire name."""

    STATUS = 18


class NoHostFunctionError(CallError):
    """no_host_function"""

    STATUS = 19


class BadPayloadError(CallError, ValueError):
    """bad_payload: a payload has another form than the interface says, at the host or here."""

    STATUS = 20


class OverloadedError(CallError):
    """overloaded: try again when calls have ended."""

    STATUS = 21


class EventQueueStuckError(CallError):
    """event_queue_stuck"""

    STATUS = 22


class ReentrantError(CallError):
    """reentrant"""

    STATUS = 23


class DeadlineError(CallError, TimeoutError):
    """deadline: the timeout of the call has passed."""

    STATUS = 24


class CanceledError(CallError):
    """canceled"""

    STATUS = 25


class ClosedError(CallError):
    """closed: the context is closed."""

    STATUS = 26


class ModuleGoneError(CallError):
    """module_gone"""

    STATUS = 27


class InstanceFailedError(CallError):
    """instance_failed"""

    STATUS = 28


class StaleTokenError(CallError):
    """stale_token"""

    STATUS = 29


class OverflowedError(CallError):
    """overflow"""

    STATUS = 30


class NoReplyError(CallError):
    """no_reply"""

    STATUS = 31


class HandlerExceptionError(CallError):
    """exception: the handler, or a host function, failed with an exception that it did not expect."""

    STATUS = 32


class NotSupportedError(CallError):
    """not_supported"""

    STATUS = 33


class TimedOutError(CallError, TimeoutError):
    """timeout: an operation did not finish in time."""

    STATUS = 34


class LoadRefusedError(CallError):
    """load_refused"""

    STATUS = 35


class NameTakenError(CallError):
    """name_taken"""

    STATUS = 36


class NotLoadedError(CallError):
    """not_loaded"""

    STATUS = 37


class PinnedError(CallError):
    """pinned"""

    STATUS = 38


class IoError(CallError, OSError):
    """io"""

    STATUS = 39

    __str__ = CallError.__str__


class OutOfMemoryError(CallError, MemoryError):
    """out_of_memory"""

    STATUS = 40


class UnreachableError(CallError, ConnectionError):
    """unreachable: no host answers, or the connection to it broke. A call that was open may have run."""

    STATUS = 41

    __str__ = CallError.__str__


class ProtocolError(CallError):
    """protocol"""

    STATUS = 42


class NotFoundError(CallError, LookupError):
    """not_found"""

    STATUS = 43


class ConfigError(CallError):
    """config"""

    STATUS = 44


class WouldBlockError(CallError):
    """would_block"""

    STATUS = 45


class NotPermittedError(CallError):
    """not_permitted"""

    STATUS = 46


class InterfaceChangedError(CallError):
    """interface_changed: the module has changed in a way that breaks code that was generated before.

    The message names rule and member; the detail is the compare-report.
    """

    STATUS = 47


class ProviderLostError(CallError):
    """provider_lost: who answered has gone; the call may have run."""

    STATUS = 48


class EntryReturnedError(CallError):
    """entry_returned"""

    STATUS = 129


#: The class of each status of the host.
CLASSES: dict[int, type[CallError]] = {
    each.STATUS: each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, CallError) and each not in (CallError, ModuleError)
}


def make(
    status: int, name: str, message: bytes | str = b"", detail: bytes = b"",
    classes: dict[int, type[CallError]] | None = None,
) -> CallError:  # fmt: skip
    """The exception of a status; `classes` has the ones that a generated module declares."""
    found = (classes or {}).get(status) or CLASSES.get(status)
    if found is None:
        found = ModuleError if status >= MODULE_FIRST else CallError
    value: Any = None
    if detail:
        try:
            value = abi.loads(detail)
            if found.DETAIL is not None:
                value = found.DETAIL.decode(value)
        except ValueError:
            pass  # then it stays as far as it was read
    text = message if isinstance(message, str) else message.decode("utf-8", "replace")
    return found(text, status=status, name=name, detail=value, detail_bytes=detail)
