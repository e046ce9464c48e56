# SPDX-License-Identifier: Apache-2.0
"""Random values of the types of an interface, their CBOR in many forms, and what a reader must make of them."""
import math
import random
import struct

TEXTS = ("", "a", "timer", "größe", "日本語", "\U0001f600", "a\0b", "x" * 30, "\u202e", "quote\"s")
FLOATS = (0.0, -0.0, 1.5, -2.25, 1e300, 5e-324, math.inf, -math.inf, math.nan, 3.0, 16777217.0, 1e-10)


class Refused(Exception):
    """A value does not fit its type."""


class Values:
    """Makes values of refs, and normalizes what others have made.

    `fills`: the reader gives members that are absent their defaults. `keeps_null`: the writer has null, and does not leave
    the member out, where a reader would give the absent member a default.
    """

    def __init__(self, module, seed, fills=False, keeps_null=False):
        self.module, self.random, self.fills, self.keeps_null = module, random.Random(seed), fills, keeps_null

    def named(self, name):
        return self.module.by_name[name]

    # ---- Making ----

    def make(self, ref, depth=0):
        r = self.random
        kind = ref.kind
        few = r.choice((0, 0, 1, 2, 3)) if depth < 4 else 0
        if kind == "bool":
            return r.random() < 0.5
        if kind == "text":
            return r.choice(TEXTS)
        if kind == "bytes":
            return r.randbytes(ref.size if ref.size is not None else r.choice((0, 1, 5, 30, 300)))
        if kind == "int":
            low = -2**(ref.bits - 1) if ref.signed else 0
            high = 2**(ref.bits - 1) - 1 if ref.signed else 2**ref.bits - 1
            return r.choice((low, high, 0, 1, 23, 24, r.randint(low, high))) if low <= 24 <= high else r.randint(low, high)
        if kind == "float":
            value = r.choice(FLOATS + (r.uniform(-1e6, 1e6), r.randint(-1000, 1000)))
            large = ref.bits == 32 and math.isfinite(value) and abs(value) > 3e38
            return 0.5 if large else value
        if kind == "any":
            return self.anything(depth)
        if kind == "null":
            return None
        if kind == "nullable":
            return None if r.random() < 0.4 or depth > 5 else self.make(ref.of, depth + 1)
        if kind == "list":
            count = ref.most if ref.least == ref.most else max(few, ref.least)
            return [self.make(ref.of, depth + 1) for _ in range(count)]
        if kind == "map":
            return {self.make(ref.key): self.make(ref.value, depth + 1) for _ in range(few)}
        if kind == "tuple":
            return [self.make(item, depth + 1) for item in ref.items]
        if kind == "choice":
            return self.make(r.choice(ref.of), depth + 1)
        if kind == "literal":
            return ref.value
        return self.make_type(self.named(ref.name), depth)

    def make_type(self, type_, depth=0):
        if type_.kind == "alias":
            return self.make(type_.type, depth)
        if type_.kind == "enum":
            return self.random.choice(type_.values).value
        if type_.kind == "tagged":
            case = self.random.choice(type_.cases)
            return {case.name: self.make(case.type, depth + 1)}
        return {m.name: self.make(m.type, depth + 1) for m in type_.members if not m.optional or self.random.random() < 0.6}

    def anything(self, depth):
        r = self.random
        if depth < 5 and r.random() < 0.4:
            if r.random() < 0.5:
                return [self.anything(depth + 1) for _ in range(r.randint(0, 3))]
            return {r.choice(("a", "b", 1, -5, "ü")): self.anything(depth + 1) for _ in range(r.randint(0, 3))}
        return r.choice((None, True, False, 0, -1, 2**64 - 1, -2**64, 1.5, math.nan, "text", b"\x00\xff", "", r.random()))

    # ---- What a reader makes of it ----

    def normal(self, ref, value):
        """The value as it is written again. Raises Refused."""
        kind = ref.kind
        if kind == "bool":
            return need(isinstance(value, bool), value)
        if kind == "text":
            return need(isinstance(value, str), value)
        if kind == "bytes":
            return need(isinstance(value, bytes) and ref.size in (None, len(value)), value)
        if kind == "int":
            low = -2**(ref.bits - 1) if ref.signed else 0
            high = 2**(ref.bits - 1) - 1 if ref.signed else 2**ref.bits - 1
            return need(is_int(value) and low <= value <= high, value)
        if kind == "float":
            need(isinstance(value, float) or (is_int(value) and -2**64 <= value < 2**64), value)
            return narrow(value) if ref.bits == 32 else float(value)
        if kind == "any":
            return value
        if kind in ("null", "nullable") and value is None:
            return None
        if kind == "nullable":
            return self.normal(ref.of, value)
        if kind == "list":
            need(isinstance(value, list) and len(value) >= ref.least and (ref.most is None or len(value) <= ref.most), value)
            return [self.normal(ref.of, item) for item in value]
        if kind == "map":
            need(isinstance(value, dict), value)
            return {self.normal(ref.key, key): self.normal(ref.value, item) for key, item in value.items()}
        if kind == "tuple":
            need(isinstance(value, list) and len(value) == len(ref.items), value)
            return [self.normal(each, item) for each, item in zip(ref.items, value)]
        if kind == "choice":
            for each in ref.of:
                try:
                    return self.normal(each, value)
                except Refused:
                    continue
            raise Refused(repr(value))
        if kind == "literal":
            return need(type(value) is type(ref.value) and value == ref.value, value)
        need(kind == "named", value)
        return self.normal_type(self.named(ref.name), value)

    def normal_type(self, type_, value):
        if type_.kind == "alias":
            return self.normal(type_.type, value)
        if type_.kind == "enum":
            return need(value in [v.value for v in type_.values], value)
        need(isinstance(value, dict) and all(isinstance(key, str) for key in value), value)
        if type_.kind == "tagged":
            found = [case for case in type_.cases if case.name in value]
            need(len(found) == 1, value)
            return {found[0].name: self.normal(found[0].type, value[found[0].name])}
        out = {}
        for member in type_.members:
            if member.name not in value:
                need(member.optional, value)
                if self.fills and member.has_default:
                    out[member.name] = member.default
            elif value[member.name] is None and member.optional and (
                    member.type.kind == "nullable" or not member.has_default):
                if self.keeps_null and member.has_default:
                    out[member.name] = None
            else:
                out[member.name] = self.normal(member.type, value[member.name])
        return out


def need(fits, value):
    if not fits:
        raise Refused(repr(value)[:80])
    return value


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def narrow(value):
    """A float of 32 bits; what is too large for it is refused."""
    if isinstance(value, float) and (math.isnan(value) or math.isinf(value)):
        return value
    if abs(value) >= 3.4028235677973366e38:
        raise Refused(repr(value))
    if abs(value) > 3.4028234663852886e38:
        return math.copysign(3.4028234663852886e38, value)
    if is_int(value):  # rounded once
        as_double = float(value)
        low = struct.unpack("f", struct.pack("f", as_double))[0]
        return low if as_double == value else struct.unpack("f", struct.pack("f", nearest_single(value)))[0]
    return struct.unpack("f", struct.pack("f", value))[0]


def nearest_single(value):
    """A double that rounds to the single that is nearest to an integer."""
    shift = max(abs(value).bit_length() - 26, 0)
    kept = abs(value) >> shift
    if abs(value) != kept << shift:
        kept |= 1  # sticky
    return math.copysign(float(kept << shift), value)


def same(one, other):
    """Whether two values are equal on the wire. 3 and 3.0 are, and so are two NaN."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other or (one != one and other != other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and same(item, other[key]) for key, item in one.items())
    return type(one) is type(other) and one == other


class Encoder:
    """Writes values in all forms that CBOR has for them."""

    def __init__(self, seed, plain=False):
        self.random, self.plain = random.Random(seed), plain

    def _sometimes(self, chance):
        return not self.plain and self.random.random() < chance

    def head(self, major, number):
        forms = [(23, None), (0xff, ">B"), (0xffff, ">H"), (0xffffffff, ">I"), (2**64 - 1, ">Q")]
        fits = [i for i, (most, _) in enumerate(forms) if number <= most]
        form = self.random.choice(fits) if self._sometimes(0.05) else fits[0]
        if form == 0:
            return bytes([major << 5 | number])
        return bytes([major << 5 | 23 + form]) + struct.pack(forms[form][1], number)

    def write(self, value, unknown=None):
        """`unknown`: the known names of a struct, so that unknown ones can be added."""
        tag = self.head(6, 55800) if self._sometimes(0.02) else b""
        if value is None:
            return tag + (b"\xf7" if self._sometimes(0.2) else b"\xf6")
        if isinstance(value, bool):
            return tag + (b"\xf5" if value else b"\xf4")
        if isinstance(value, int):
            return tag + (self.head(0, value) if value >= 0 else self.head(1, -1 - value))
        if isinstance(value, float):
            return tag + self._float(value)
        if isinstance(value, (bytes, str)):
            return tag + self._string(value)
        if isinstance(value, list):
            items = b"".join(map(self.write, value))
            return tag + (b"\x9f" + items + b"\xff" if self._sometimes(0.1) else self.head(4, len(value)) + items)
        pairs = list(value.items())
        if not self.plain:
            self.random.shuffle(pairs)
        body = b"".join(self.write(key) + self.write(item) for key, item in pairs)
        return tag + (b"\xbf" + body + b"\xff" if self._sometimes(0.1) else self.head(5, len(pairs)) + body)

    def _float(self, value):
        for code, form in ((0xf9, ">e"), (0xfa, ">f"), (0xfb, ">d")):
            if self._sometimes(0.5):
                continue
            try:
                data = struct.pack(form, value)
            except OverflowError:
                continue
            if value != value or struct.unpack(form, data)[0] == value:
                return bytes([code]) + data
        return b"\xfb" + struct.pack(">d", value)

    def _string(self, value):
        major, data = (2, value) if isinstance(value, bytes) else (3, value.encode())
        if not self._sometimes(0.08):
            return self.head(major, len(data)) + data
        cut = self.random.randint(0, len(value))
        parts = [value[:cut], value[cut:]] if isinstance(value, bytes) else [value[:cut].encode(), value[cut:].encode()]
        return bytes([major << 5 | 31]) + b"".join(self.head(major, len(p)) + p for p in parts) + b"\xff"
