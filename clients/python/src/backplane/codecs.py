# SPDX-License-Identifier: Apache-2.0
"""What generated modules describe their types with.

A Codec makes the plain value that CBOR has (dict, list, str, …) of a typed one, and the other way round. Both check: a
value that does not fit raises Mismatch, whose text names the member.
"""
from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ._mismatch import Mismatch as Mismatch
from ._mismatch import kind_of

T = TypeVar("T")
K = TypeVar("K")


def _wrong(expected: str, value: Any) -> Mismatch:
    return Mismatch(f"expected {expected}, got {kind_of(value)}")


class Codec(Generic[T]):
    """encode(value) gives what is sent, decode(plain) a value. `exact`: values of exactly this type stay as they are."""

    __slots__ = ("encode", "decode", "exact", "nullable", "raw")

    def __init__(
        self,
        encode: Callable[[Any], Any],
        decode: Callable[[Any], T],
        *,
        exact: type | None = None,
        nullable: bool = False,
        raw: bool = False,
    ) -> None:
        self.encode = encode
        self.decode = decode
        self.exact = exact
        self.nullable = nullable
        self.raw = raw


def _same(value: Any) -> Any:
    return value


def _scalar(kind: type, name: str) -> Codec[Any]:
    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        if isinstance(value, kind) and not isinstance(value, (bool, enum.Enum)):
            return kind(value)
        raise _wrong(name, value)

    return Codec(check, check, exact=kind)


boolean: Codec[bool] = _scalar(bool, "bool")
text: Codec[str] = _scalar(str, "text")
#: Any value: what CBOR has, and Tag, Simple and UNDEFINED.
anything: Codec[Any] = Codec(_same, _same)
#: The payload itself, without CBOR.
raw: Codec[bytes] = Codec(bytes, _same, raw=True)


def _null(value: Any) -> None:
    if value is not None:
        raise _wrong("null", value)


null: Codec[None] = Codec(_null, _null, exact=type(None))


#: No payload: an empty map is sent, and what comes is not looked at.
nothing: Codec[None] = Codec(lambda value: {}, lambda value: None)


def binary(size: int | None = None) -> Codec[bytes]:
    """Bytes, of exactly this size if there is one."""

    def check(value: Any) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise _wrong("bytes", value)
        if size is not None and len(value) != size:
            raise Mismatch(f"expected {size} bytes, got {len(value)}")
        return bytes(value)

    return Codec(check, check, exact=bytes if size is None else None)


def integer(bits: int, signed: bool) -> Codec[int]:
    """An integer of this width."""
    least = -(1 << (bits - 1)) if signed else 0
    most = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1

    def check(value: Any) -> int:
        if type(value) is not int:
            if not isinstance(value, int) or isinstance(value, (bool, enum.Enum)):
                raise _wrong("int", value)
            value = int(value)
        if least <= value <= most:
            return value
        raise Mismatch(f"expected {least} to {most}, got {value}")

    return Codec(check, check)


def floating(bits: int) -> Codec[float]:
    """A float. Integers are read and sent as floats."""

    def check(value: Any) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise Mismatch("found an int that is too large for a float") from None
        raise _wrong("float", value)

    return Codec(check, check, exact=float if bits == 64 else None)


def nullable(of: Codec[Any]) -> Codec[Any]:
    """The same, or None."""
    encode, decode, exact = of.encode, of.decode, of.exact

    def send(value: Any) -> Any:
        return None if value is None else value if type(value) is exact else encode(value)

    def read(value: Any) -> Any:
        return None if value is None else decode(value)

    return Codec(send, read, nullable=True)


def _count(count: int, least: int, most: int | None) -> None:
    if count < least or (most is not None and count > most):
        bounds = f"{least} items or more" if most is None else f"{least} items" if least == most else f"{least} to {most} items"
        raise Mismatch(f"expected {bounds}, got {count}")


def sequence(of: Codec[T], least: int = 0, most: int | None = None) -> Codec[list[T]]:
    exact = of.exact
    bounded = least > 0 or most is not None

    def convert(value: Any, one: Callable[[Any], Any]) -> list[Any]:
        if bounded:
            _count(len(value), least, most)
        done: list[Any] = []
        try:
            for item in value:
                done.append(item if type(item) is exact else one(item))
        except Mismatch as wrong:
            raise wrong.inside(f"[{len(done)}]") from None
        return done

    def send(value: Any) -> list[Any]:
        if isinstance(value, (list, tuple)):
            return convert(value, of.encode)
        if isinstance(value, (str, bytes, bytearray, memoryview, dict)) or not hasattr(value, "__iter__"):
            raise _wrong("array", value)
        return convert(list(value), of.encode)

    def read(value: Any) -> list[T]:
        if type(value) is not list:
            raise _wrong("array", value)
        return convert(value, of.decode)

    return Codec(send, read)


def mapping(key: Codec[K], value: Codec[T]) -> Codec[dict[K, T]]:
    def convert(found: Any, keys: Callable[[Any], Any], values: Callable[[Any], Any]) -> dict[Any, Any]:
        if not isinstance(found, dict):
            raise _wrong("map", found)
        done = {}
        for name, item in found.items():
            try:
                done[keys(name)] = values(item)
            except Mismatch as wrong:
                raise wrong.inside(f"[{name!r}]") from None
        return done

    return Codec(
        lambda found: convert(found, key.encode, value.encode),
        lambda found: convert(found, key.decode, value.decode),
    )


def fixed(*items: Codec[Any]) -> Codec[Any]:
    """A tuple."""

    def convert(found: Any, ways: Sequence[Callable[[Any], Any]]) -> list[Any]:
        if not isinstance(found, (list, tuple)):
            raise _wrong("array", found)
        if len(found) != len(ways):
            raise Mismatch(f"expected {len(ways)} items, got {len(found)}")
        done: list[Any] = []
        try:
            for item, way in zip(found, ways):
                done.append(way(item))
        except Mismatch as wrong:
            raise wrong.inside(f"[{len(done)}]") from None
        return done

    return Codec(
        lambda found: convert(found, [each.encode for each in items]),
        lambda found: tuple(convert(found, [each.decode for each in items])),
    )


def choice(*of: Codec[Any]) -> Codec[Any]:
    """One of several, tried in order."""

    def first(value: Any, ways: Sequence[Callable[[Any], Any]]) -> Any:
        found = []
        for way in ways:
            try:
                return way(value)
            except Mismatch as wrong:
                found.append(str(wrong))
        raise Mismatch("no alternative fits: " + "; ".join(found))

    return Codec(
        lambda value: first(value, [each.encode for each in of]),
        lambda value: first(value, [each.decode for each in of]),
    )


def literal(expected: T) -> Codec[T]:
    def check(value: Any) -> T:
        if type(value) is not type(expected) or value != expected:
            raise Mismatch(f"expected {expected!r}, got {value!r}")
        return expected

    return Codec(check, check)


E = TypeVar("E", bound=enum.Enum)


def enumeration(cls: type[E]) -> Codec[E]:
    members = {each.value: each for each in cls}

    def send(value: Any) -> Any:
        if type(value) is not cls:
            raise Mismatch(f"expected a {cls.__name__}, got {kind_of(value)}")
        return value.value

    def read(value: Any) -> E:
        try:
            return members[value]
        except (KeyError, TypeError):
            known = ", ".join(repr(each) for each in members)
            raise Mismatch(f"expected {known}; got {value!r}") from None

    return Codec(send, read)


def later(make: Callable[[], Codec[T]]) -> Codec[T]:
    """A codec that is defined below, or that contains itself."""
    return Codec(lambda value: make().encode(value), lambda value: make().decode(value))


class Member:
    """A member of a struct: its wire name, its attribute, and whether it may be absent."""

    __slots__ = ("name", "attribute", "codec", "optional", "absent_is_null", "default")

    def __init__(
        self, name: str, attribute: str, codec: Codec[Any], *, optional: bool = False,
        default: Callable[[], Any] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.attribute = attribute
        self.codec = codec
        self.optional = optional
        self.default = default
        #: None stands for an absent member, unless it has a default: then absent means that.
        self.absent_is_null = optional and default is None


def struct(cls: Callable[..., T], *members: Member) -> Codec[T]:
    """A dataclass as a map. Members that it does not know are ignored when it is read."""
    sending = [(m.attribute, m.name, m.codec.exact, m.codec, m.absent_is_null) for m in members]
    # Members from the first optional one on are given by name: see the template of bindgen.
    first = next((at for at, m in enumerate(members) if m.optional), len(members))
    reading = [(m.name, m.codec.exact, m.codec, m) for m in members]
    required, others = reading[:first], reading[first:]
    label = getattr(cls, "__name__", "struct")

    def send(value: Any) -> dict[str, Any]:
        if type(value) is not cls and not isinstance(value, cls):  # type: ignore[arg-type]
            raise Mismatch(f"expected a {label}, got {kind_of(value)}")
        done: dict[str, Any] = {}
        for attribute, name, exact, codec, absent_is_null in sending:
            item = getattr(value, attribute)
            if item is None and absent_is_null:
                continue
            if type(item) is exact:
                done[name] = item
                continue
            try:
                done[name] = codec.encode(item)
            except Mismatch as wrong:
                raise wrong.inside(name) from None
        return done

    def member_of(plain: dict[str, Any], name: str, codec: Codec[Any], member: Member) -> Any:
        """A member that is not simply of its exact type."""
        try:
            item = plain[name]
        except KeyError:
            if not member.optional:
                raise Mismatch(f"expected the member {name!r}, which is missing") from None
            return None if member.default is None else member.default()
        if item is None and member.absent_is_null:
            return None
        try:
            return codec.decode(item)
        except Mismatch as wrong:
            raise wrong.inside(name) from None

    def read(plain: Any) -> T:
        if type(plain) is not dict:
            raise _wrong("map", plain)
        found: list[Any] = []
        for name, exact, codec, member in required:
            item = plain.get(name)
            found.append(item if type(item) is exact and item is not None else member_of(plain, name, codec, member))
        if not others:
            return cls(*found)
        named: dict[str, Any] = {}
        for name, exact, codec, member in others:
            item = plain.get(name)
            is_right = type(item) is exact and item is not None
            named[member.attribute] = item if is_right else member_of(plain, name, codec, member)
        return cls(*found, **named)

    return Codec(send, read)


class Case:
    """A case of a tagged union: its wire name, and the class that wraps its value."""

    __slots__ = ("name", "cls", "codec")

    def __init__(self, name: str, cls: Callable[..., Any], codec: Codec[Any]) -> None:
        self.name = name
        self.cls = cls
        self.codec = codec


def tagged(*cases: Case) -> Codec[Any]:
    """A map with exactly one of these members."""
    by_class = {case.cls: case for case in cases}
    by_name = {case.name: case for case in cases}
    names = ", ".join(by_name)

    def send(value: Any) -> dict[str, Any]:
        case = by_class.get(type(value))
        if case is None:
            raise Mismatch(f"expected a case of {names}; got {kind_of(value)}")
        try:
            return {case.name: case.codec.encode(value.value)}
        except Mismatch as wrong:
            raise wrong.inside(case.name) from None

    def read(plain: Any) -> Any:
        if type(plain) is not dict:
            raise _wrong("map", plain)
        known = [name for name in plain if name in by_name]
        if len(known) != 1:
            raise Mismatch(f"expected exactly one of {names}; got {len(known)}")
        case = by_name[known[0]]
        try:
            return case.cls(case.codec.decode(plain[known[0]]))
        except Mismatch as wrong:
            raise wrong.inside(known[0]) from None

    return Codec(send, read)
