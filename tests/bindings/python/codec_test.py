#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The codec against cbor2, both ways: 10,000 generated values, and 10,000 malformed inputs."""
import enum
import math
import random
import struct
import sys
import unittest

import cbor2
from backplane import _cbor, cbor
from support import BACKEND, main

SEED = 20261130
COUNT = 10_000


def text(random_):
    parts = ("", "a", "Ä", "日本", "😀", "\0", "\x7f", "\u200e", '"', "\\", "x" * 30)
    return "".join(random_.choice(parts) for _ in range(random_.randint(0, 6)))


def number(random_):
    edge = random_.choice((0, 23, 24, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**53, 2**63, 2**64))
    found = random_.choice((edge, edge - 1, -edge, -edge - 1, random_.getrandbits(random_.randint(1, 64))))
    return max(-(2**64), min(found, 2**64 - 1))


def real(random_):
    special = (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 3.4028234663852886e38,
               3.4028235677973366e38, 65504.0, 0.1, 1e-45, 2.0**-149)
    if random_.random() < 0.5:
        return random_.choice(special)
    return struct.unpack(">d", random_.getrandbits(64).to_bytes(8, "big"))[0]


def value(random_, depth=0, is_key=False):
    kinds = "tnrbNBuS" if depth > 5 else "tnrbNBuSlmT"
    if is_key:
        kinds = "tnb"
    kind = random_.choice(kinds)
    if kind == "t":
        return text(random_)
    if kind == "n":
        return number(random_)
    if kind == "r":
        return real(random_)
    if kind == "b":
        return random_.randbytes(random_.choice((0, 1, 23, 24, 300)))
    if kind in "NBu":
        return {"N": None, "B": random_.random() < 0.5, "u": cbor.UNDEFINED}[kind]
    if kind == "S":
        return cbor.Simple(random_.choice((*range(0, 20), *range(32, 256))))
    if kind == "l":
        return [value(random_, depth + 1) for _ in range(random_.choice((0, 1, 3, 24)) if depth < 3 else 2)]
    if kind == "m":
        return {value(random_, depth + 1, True): value(random_, depth + 1) for _ in range(random_.randint(0, 4))}
    return cbor.Tag(random_.choice((6, 1000, 2**32, 2**64 - 1)), value(random_, depth + 1))


def for_cbor2(found):
    """The same in the types of cbor2."""
    if found is cbor.UNDEFINED:
        return cbor2.undefined
    if isinstance(found, cbor.Simple):
        return cbor2.CBORSimpleValue(found.number)
    if isinstance(found, cbor.Tag):
        return cbor2.CBORTag(found.number, for_cbor2(found.value))
    if isinstance(found, (list, tuple)):
        return [for_cbor2(each) for each in found]
    if isinstance(found, dict):
        return {for_cbor2(key): for_cbor2(each) for key, each in found.items()}
    return found


def shown(found):
    """A form in which all equal values are the same text, and no others: types and NaN count."""
    if isinstance(found, float):
        return "nan" if math.isnan(found) else f"f{found!r}"
    if isinstance(found, dict):
        return "{" + ",".join(f"{shown(key)}:{shown(each)}" for key, each in found.items()) + "}"
    if isinstance(found, (cbor.Tag, cbor2.CBORTag)):
        return f"tag{found.number if isinstance(found, cbor.Tag) else found.tag}({shown(found.value)})"
    if isinstance(found, (cbor.Simple, cbor2.CBORSimpleValue)):
        return f"simple{found.number if isinstance(found, cbor.Simple) else found.value}"
    if found is cbor.UNDEFINED or found is cbor2.undefined:
        return "undefined"
    if isinstance(found, (list, tuple)):
        return "[" + ",".join(map(shown, found)) + "]"
    return f"{type(found).__name__}:{found!r}"


def outcome(loads, data):
    try:
        return shown(loads(data)), None
    except ValueError as wrong:
        return None, str(wrong)


class Values(unittest.TestCase):
    def test_values_survive_both_ways_between_this_codec_and_cbor2(self):
        random_ = random.Random(SEED)
        for at in range(COUNT):
            made = value(random_)
            data = cbor.dumps(made)
            self.assertEqual(data, _cbor.dumps(made), f"value {at}: {made!r}")
            self.assertEqual(shown(cbor2.loads(data)), shown(made), f"value {at}: {made!r}")
            theirs = cbor2.dumps(for_cbor2(made))
            self.assertEqual(shown(cbor.loads(theirs)), shown(made), f"value {at}: {made!r}")
            self.assertEqual(shown(_cbor.loads(theirs)), shown(made), f"value {at}: {made!r}")

    def test_all_floats_of_two_bytes_are_read_as_cbor2_does(self):
        for bits in range(65536):
            data = b"\xf9" + bits.to_bytes(2, "big")
            self.assertEqual(shown(cbor.loads(data)), shown(cbor2.loads(data)), data.hex())


class Malformed(unittest.TestCase):
    def inputs(self):
        random_ = random.Random(SEED + 1)
        while True:
            data = bytearray(cbor.dumps(value(random_)))
            for _ in range(random_.randint(1, 3)):
                kind = random_.randrange(5)
                at = random_.randrange(len(data) + 1)
                if kind == 0:
                    del data[at:]
                elif kind == 1 and at < len(data):
                    data[at] = random_.randrange(256)
                elif kind == 2:
                    data.insert(at, random_.choice((0xFF, 0x9F, 0xBF, 0x5F, 0x7F, 0x1C, 0xF8, 0x3B, 0xC0, 0x61)))
                elif kind == 3:
                    data += random_.randbytes(2)
                elif at < len(data):
                    data[at] ^= 1 << random_.randrange(8)
            yield bytes(data)

    def test_both_backends_say_the_same_of_each_input_and_cbor2_agrees_on_what_is_read(self):
        refused = 0
        for at, data in enumerate(self.inputs()):
            if refused == COUNT:
                break
            got, wrong = outcome(cbor.loads, data)
            self.assertEqual((got, wrong), outcome(_cbor.loads, data), f"input {at}: {data.hex()}")
            if wrong is not None:
                refused += 1
                self.assertRegex(wrong, r", at byte \d+$")
                continue
            again = cbor.loads(cbor.dumps(cbor.loads(data)))
            self.assertEqual(shown(again), got, f"input {at}: {data.hex()}")
            try:
                theirs = shown(cbor2.loads(data))
            except Exception as error:  # cbor2 gives tags a meaning, which a random value may not have
                self.assertTrue("tag" in got or isinstance(error, TypeError), f"input {at}: {data.hex()}: {error!r}")
                continue
            if "tag" not in got:
                self.assertEqual(theirs, got, f"input {at}: {data.hex()}")
        self.assertGreater(at, COUNT)  # some are well-formed all the same

    def test_each_kind_of_fault_has_its_message_and_place(self):
        for data, expected in (
            ("", "the CBOR ends too early, at byte 0"),
            ("19 01", "the CBOR ends too early, at byte 0"),
            ("82 01", "found more elements than bytes that follow, at byte 0"),
            ("62 61", "the CBOR ends too early, at byte 0"),
            ("61 ff", "found text that is not UTF-8, at byte 0"),
            ("63 ed a0 80", "found text that is not UTF-8, at byte 0"),
            ("1c", "no CBOR item begins with this byte, at byte 0"),
            ("f8 18", "no CBOR item begins with this byte, at byte 0"),
            ("ff", "found a break, expected an item, at byte 0"),
            ("bf 01 ff", "found a break, expected an item, at byte 2"),
            ("5f 61 61 ff", "found a chunk of another type in a string, at byte 1"),
            ("01 02", "found more bytes after the end of the item, at byte 1"),
            ("81" * 65 + "01", "nested deeper than 64 levels, at byte 64"),
            ("c1" * 65 + "01", "nested deeper than 64 levels, at byte 64"),
            ("a1 a0 01", "found a map as the key of a map; Python cannot hold it, at byte 1"),
            ("9b ff ff ff ff ff ff ff ff", "found more elements than bytes that follow, at byte 0"),
        ):
            with self.assertRaises(cbor.DecodeError) as caught:
                cbor.loads(bytes.fromhex(data))
            self.assertEqual(str(caught.exception), expected, data)

    def test_what_is_unusual_and_right_is_read(self):
        for data, expected in (
            ("1b 00 00 00 00 00 00 00 01", 1),
            ("5f 41 61 40 42 62 63 ff", b"abc"),
            ("7f 61 61 62 c3 a4 ff", "aä"),
            ("bf 61 61 9f ff ff", {"a": []}),
            ("a2 01 02 01 03", {1: 3}),
            ("a1 82 01 81 02 03", {(1, (2,)): 3}),
            ("81" * 64 + "01", None),
            ("3b ff ff ff ff ff ff ff ff", -(2**64)),
        ):
            found = cbor.loads(bytes.fromhex(data))
            if expected is not None:
                self.assertEqual(shown(found), shown(expected), data)


class Unfit(unittest.TestCase):
    def test_values_that_cbor_cannot_hold_are_refused(self):
        endless = []
        endless.append(endless)
        for made, expected in (
            (2**64, "found an integer beyond 64 bits"),
            (-(2**64) - 1, "found an integer beyond 64 bits"),
            ("\ud800", "found a str with a lone surrogate"),
            ({1, 2}, "found a value of type set"),
            (endless, "nested deeper than 64 levels"),
            (cbor.Tag(-1, 0), "found a tag whose number"),
            (cbor.Simple(20), "found a simple value that is not"),
            (memoryview(b"abcd")[::2], "found a buffer that is not contiguous"),
            (object, "found a value of type type"),
        ):
            with self.assertRaisesRegex(cbor.EncodeError, expected):
                cbor.dumps([made])
            with self.assertRaisesRegex(cbor.EncodeError, expected):
                _cbor.dumps([made])

    def test_subclasses_and_buffers_are_their_base(self):
        class Level(enum.IntEnum):
            LOW = 1

        class Word(str, enum.Enum):
            YES = "yes"

        for made, expected in ((Level.LOW, 1), (Word.YES, "yes"), (bytearray(b"a"), b"a"), (memoryview(b"b"), b"b"),
                               ((1, 2), [1, 2])):
            self.assertEqual(cbor.dumps(made), cbor.dumps(expected))
            self.assertEqual(_cbor.dumps(made), cbor.dumps(expected))


if __name__ == "__main__":
    print(f"{BACKEND}: seed {SEED}", file=sys.stderr)
    main()
