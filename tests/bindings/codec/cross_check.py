# SPDX-License-Identifier: Apache-2.0
"""Compares a program with generated code with cbor2, on generated items and on damaged ones. See README.md."""
import io
import os
import pathlib
import random
import struct
import subprocess
import sys

import cbor2

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
for folder in (HERE, ROOT / "bindgen"):
    sys.path.insert(0, str(folder))
import items  # noqa: E402
import outline as outlines  # noqa: E402

TYPES = ("Scalars", "Composed", "Tree", "Defaults", "PointPage", "Config", "TreeList")
OUTLINES = pathlib.Path(os.environ.get("BACKPLANE_OUTLINES", ROOT / "tests/unit/cddl/outlines"))

# cbor2 takes these, and a reader may refuse them: it says so.
STRICTER = ("twice", "64 levels", "no CBOR item", "not well-formed", "one field only", "two alternatives", "too early",
            "nested", "integer as key")
# cbor2 refuses these, and a reader need not: what tags mean.
TAGS = set(range(0xc0, 0xdc))


def forms():
    return outlines.load((OUTLINES / "forms.json").read_text(encoding="utf-8")).modules[0]


class Program:
    """A program that reads items as one type."""

    def __init__(self, command, type_name, environment=None):
        self.command = [*map(str, command), type_name]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
            self.process.communicate()
            return
        self.process.stdin.close()
        left = self.process.stdout.read()
        code = self.process.wait(30)
        self.process.stdout.close()
        if code != 0 or left:
            raise AssertionError(f"{self.command} ended with {code}")

    def send(self, many):
        """For each item (whether it was read, what was written or why it was refused), in order."""
        for at in range(0, len(many), 8):  # so many fit the pipes
            for item in many[at:at + 8]:
                self.process.stdin.write(struct.pack("<I", len(item)) + item)
            self.process.stdin.flush()
            for item in many[at:at + 8]:
                head = self.process.stdout.read(5)
                if len(head) != 5:
                    raise AssertionError(f"{self.command} died of the item {item.hex()}, or of one of the next seven")
                read, size = struct.unpack("<BI", head)
                yield read == 1, self.process.stdout.read(size)


def strip(value):
    """Without tags; undefined is null."""
    if isinstance(value, cbor2.CBORTag):
        return strip(value.value)
    if value is cbor2.undefined:
        return None
    if isinstance(value, list):
        return [strip(item) for item in value]
    if isinstance(value, tuple):
        return tuple(strip(item) for item in value)
    if isinstance(value, dict):
        return {strip(key): strip(item) for key, item in value.items()}
    return value


def parse(item):
    """What cbor2 reads; raises an exception if it is not exactly one item."""
    source = io.BytesIO(item)
    value = cbor2.CBORDecoder(source).decode()
    if source.read(1):
        raise ValueError("more bytes")
    return strip(value)


def repeats(item):
    """Whether a well-formed item has a map with a key twice, which cbor2 does not tell."""
    found = []

    def head(at):
        first = item[at]
        low, major = first & 31, first >> 5
        more = 0 if low < 24 or low > 27 else 1 << low - 24
        number = int.from_bytes(item[at + 1:at + 1 + more], "big") if more else low
        return major, number, low == 31, at + 1 + more

    def walk(at):
        major, number, unknown, at = head(at)
        if major in (0, 1, 7):
            return at
        if major in (2, 3):
            if not unknown:
                return at + number
            while item[at] != 0xff:
                at = walk(at)
            return at + 1
        if major == 6:
            return walk(at)
        keys, left = set(), number * (2 if major == 5 else 1)
        while (item[at] != 0xff) if unknown else left > 0:
            begin, at, left = at, walk(at), left - 1
            if major == 5:
                key = repr(strip(cbor2.loads(item[begin:at])))
                found.extend([key] if key in keys else [])
                keys.add(key)
                at, left = walk(at), left - 1
        return at + 1 if unknown else at

    walk(0)
    return bool(found)


def difference(one, other, path="value"):
    """Where two values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
        return next((difference(one[key], other[key], f"{path}.{key}") for key in one if not items.same(one[key], other[key])),
                    "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return next((difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(one, other)) if not items.same(a, b)), "")
    return f"{path}: {one!r}, expected {other!r}"


def check_generated(command, name_of, count, seed=1, environment=None, **reader):
    """`count` values, in all forms of CBOR, come back as they were. `reader`: fills, keeps_null of items.Values."""
    module = forms()
    values, encoder = items.Values(module, seed, **reader), items.Encoder(seed)
    extra = random.Random(seed)
    for type_name in TYPES:
        type_ = module.by_name[type_name]
        expected, sent = [], []
        for _ in range(count // len(TYPES) + 1):
            value = values.make_type(type_)
            expected.append(values.normal_type(type_, value))
            if type_.kind == "struct" and extra.random() < 0.1:
                value = {**value, "unknown": values.anything(0)}
            sent.append(encoder.write(value))
        with Program(command, name_of(type_name), environment) as program:
            for item, wanted, (read, written) in zip(sent, expected, program.send(sent)):
                if not read:
                    raise AssertionError(f"{type_name}: refused {item.hex()}, which is {wanted!r}: {written.decode()}")
                if not items.same(parse(written), wanted):
                    raise AssertionError(f"{type_name}: {difference(parse(written), wanted)}; the item was {item.hex()}")


def damaged(source, item):
    """An item with a fault, or that has another form."""
    data = bytearray(item)
    for _ in range(source.choice((1, 1, 1, 2, 5))):
        how, at = source.random(), source.randrange(len(data)) if data else 0
        if how < 0.25:
            del data[at:]
        elif how < 0.6 and data:
            data[at] = source.randrange(256)
        elif how < 0.75 and data:
            data[at] ^= 1 << source.randrange(8)
        elif how < 0.85:
            del data[at:at + source.randint(1, 4)]
        elif how < 0.95:
            data[at:at] = source.randbytes(source.randint(1, 4))
        else:
            data[at:at] = source.choice((b"\x5b" + b"\xff" * 8, b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff", b"\xbf", b"\x9f" * 70,
                                         b"\xff", b"\xf8\x10", b"\xc1" * 90, b"\x7f\x61a\x41b\xff"))
    return bytes(data)


def check_damaged(command, name_of, count, seed=2, environment=None, **reader):
    """`count` damaged items: what cbor2 reads and fits is read as the same, and nothing else is."""
    module = forms()
    values, encoder, source = items.Values(module, seed, **reader), items.Encoder(seed), random.Random(seed)
    accepted = 0
    for type_name in TYPES:
        type_ = module.by_name[type_name]
        sent = [damaged(source, encoder.write(values.make_type(type_))) for _ in range(count // len(TYPES) + 1)]
        with Program(command, name_of(type_name), environment) as program:
            for item, (read, written) in zip(sent, program.send(sent)):
                accepted += read
                try:
                    expected = values.normal_type(type_, parse(item))
                except Exception:  # pylint: disable=broad-except  # cbor2 raises many
                    if read and not TAGS & set(item) and not _text_keys(written):
                        raise AssertionError(f"{type_name}: read {item.hex()} as {written.hex()}, expected a refusal"
                                             ) from None
                    continue
                if repeats(item):
                    continue
                if not read:
                    if not any(reason in written.decode() for reason in STRICTER):
                        raise AssertionError(f"{type_name}: refused {item.hex()}: {written.decode()}; expected {expected!r}")
                elif not items.same(parse(written), expected):
                    raise AssertionError(f"{type_name}: {difference(parse(written), expected)}; the item was {item.hex()}")
    if not 0 < accepted < count:
        raise AssertionError(f"{accepted} of {count} damaged items were accepted, expected some")


def _text_keys(written):
    """Whether a map with integers as keys is inside, for which the C++ codec takes text as well."""
    return b"points" in written or b"numbers" in written

