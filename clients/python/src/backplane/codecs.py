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
    """encode(value) gives what is sent, decode(plain) a value. strict(plain) is decode(), but refuses members that a struct
    does not have: answers are read leniently, and requests strictly. `exact`: values of exactly this type stay as they
    are."""

    __slots__ = ("encode", "decode", "strict", "exact", "nullable", "raw")

    def __init__(
        self,
        encode: Callable[[Any], Any],
        decode: Callable[[Any], T],
        strict: Callable[[Any], T] | None = None,
        *,
        exact: type | None = None,
        nullable: bool = False,
        raw: bool = False,
    ) -> None:
        self.encode = encode
        self.decode = decode
        self.strict = decode if strict is None else strict
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
    encode, exact = of.encode, of.exact

    def send(value: Any) -> Any:
        return None if value is None else value if type(value) is exact else encode(value)

    def reads(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda value: None if value is None else decode(value)

    return Codec(send, reads(of.decode), reads(of.strict), nullable=True)


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

    def reads(decode: Callable[[Any], T]) -> Callable[[Any], list[T]]:
        def read(value: Any) -> list[T]:
            if type(value) is not list:
                raise _wrong("array", value)
            return convert(value, decode)

        return read

    return Codec(send, reads(of.decode), reads(of.strict))


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
        lambda found: convert(found, key.decode, value.strict),
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
        lambda found: tuple(convert(found, [each.strict for each in items])),
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
        lambda value: first(value, [each.strict for each in of]),
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
    return Codec(
        lambda value: make().encode(value), lambda value: make().decode(value), lambda value: make().strict(value)
    )


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


def _placed(name: str, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, with the member in what it raises."""

    def placed(item: Any) -> Any:
        try:
            return convert(item)
        except Mismatch as wrong:
            raise wrong.inside(name) from None

    return placed


def _unusual(member: Member, decode: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Reads a member that is absent, or not simply of its exact type."""
    placed = _placed(member.name, decode)

    def read(plain: dict[str, Any], item: Any) -> Any:
        if item is None:
            if member.name not in plain:
                if not member.optional:
                    raise Mismatch(f"expected the member {member.name!r}, which is missing")
                return None if member.default is None else member.default()
            if member.absent_is_null:
                return None
        return placed(item)

    return read


class _Never:
    """No value has this type."""


def _compiled(source: list[str], space: dict[str, Any]) -> Any:
    exec("\n".join(source), space)
    return space["made"]


def struct(cls: Callable[..., T], *members: Member) -> Codec[T]:
    """A dataclass as a map. Members that it does not know are ignored when it is read leniently.

    Each call sends a struct and reads one, so these functions are written out for the members, as dataclasses do with
    __init__.
    """
    label = getattr(cls, "__name__", "struct")
    names = [m.name for m in members]
    exact = {f"x{at}": m.codec.exact or _Never for at, m in enumerate(members)}

    def send() -> Callable[[Any], dict[str, Any]]:
        def wrong(value: Any) -> Mismatch:
            return Mismatch(f"expected a {label}, got {kind_of(value)}")

        space: dict[str, Any] = {"cls": cls, "wrong": wrong, **exact}
        source = ["def made(value):", " if type(value) is not cls and not isinstance(value, cls): raise wrong(value)", " done = {}"]
        for at, member in enumerate(members):
            space[f"f{at}"] = _placed(member.name, member.codec.encode)
            indent = "  " if member.absent_is_null else " "
            source.append(f" a = value.{member.attribute}")
            if member.absent_is_null:
                source.append(" if a is not None:")
            source.append(f"{indent}done[{member.name!r}] = a if type(a) is x{at} else f{at}(a)")
        return _compiled([*source, " return done"], space)  # type: ignore[no-any-return]

    def read(strict: bool) -> Callable[[Any], T]:
        def check(plain: Any) -> None:
            if type(plain) is not dict:
                raise _wrong("map", plain)
            for name in plain if strict else ():
                if name not in names:
                    raise Mismatch(f"unknown field; known: {', '.join(names)}").inside(str(name))

        space: dict[str, Any] = {"cls": cls, "check": check, **exact}
        source = ["def made(plain):", " check(plain)" if strict else " if type(plain) is not dict: check(plain)", " get = plain.get"]
        arguments, named = [], False
        for at, member in enumerate(members):
            codec = member.codec
            space[f"f{at}"] = _unusual(member, codec.strict if strict else codec.decode)
            if codec.exact is type(None):
                space[f"x{at}"] = _Never  # as an absent member gives None, too
            source.append(f" a{at} = get({member.name!r})")
            # Members from the first optional one on are given by name: see the template of bindgen.
            named = named or member.optional
            prefix = f"{member.attribute}=" if named else ""
            arguments.append(f"{prefix}a{at} if type(a{at}) is x{at} else f{at}(plain, a{at})")
        return _compiled([*source, f" return cls({', '.join(arguments)})"], space)  # type: ignore[no-any-return]

    return Codec(send(), read(False), read(True))


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

    def reads(strict: bool) -> Callable[[Any], Any]:
        ways = {case.name: _placed(case.name, case.codec.strict if strict else case.codec.decode) for case in cases}

        def read(plain: Any) -> Any:
            if type(plain) is not dict:
                raise _wrong("map", plain)
            known = [name for name in plain if name in by_name]
            if strict and len(known) < len(plain):
                unknown = next(name for name in plain if name not in by_name)
                raise Mismatch(f"unknown field; expected one of: {names}").inside(str(unknown))
            if len(known) != 1:
                raise Mismatch(f"expected exactly one of {names}; got {len(known)}")
            return by_name[known[0]].cls(ways[known[0]](plain[known[0]]))

        return read

    return Codec(send, reads(False), reads(True))
