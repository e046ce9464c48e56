#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The codec of the TypeScript client and cbor2 agree, on generated values and on malformed bytes."""
import math
import random
import struct
import subprocess
import unittest

import cbor2
import prepare

COUNT = 10000
TEXTS = ("", "a", "grüße", "\u0000", "🚀", "\U0010ffff", "__proto__", "x" * 300, "é" * 70)


def member(rand, depth):
    """A value of a map: members that are undefined are left out when they are written."""
    made = value(rand, depth)
    return None if made is cbor2.undefined else made


def value(rand, depth=0):
    kinds = ("int", "big", "float", "text", "bytes", "simple") + (("list", "map", "other map", "tag") if depth < 5 else ())
    kind = rand.choice(kinds)
    if kind == "int":
        return rand.choice((1, -1)) * rand.randrange(2 ** rand.choice((5, 8, 16, 32, 53, 54, 63, 64)))
    if kind == "big":
        return rand.choice((1, -1)) * rand.randrange(2**64, 2**200)
    if kind == "float":
        return rand.choice((rand.uniform(-1e9, 1e9), float(rand.randrange(100)), -0.0, math.inf, math.nan, 5e-324, 2.0**53))
    if kind == "text":
        return rand.choice(TEXTS) + str(rand.randrange(1000))
    if kind == "bytes":
        return rand.randbytes(rand.choice((0, 1, 30, 300)))
    if kind == "simple":
        return rand.choice((True, False, None, cbor2.undefined, cbor2.CBORSimpleValue(rand.choice((0, 19, 32, 255)))))
    if kind == "list":
        return [value(rand, depth + 1) for _ in range(rand.randrange(6))]
    if kind == "map":
        return {str(rand.choice(TEXTS)) + str(i): member(rand, depth + 1) for i in range(rand.randrange(6))}
    if kind == "other map":
        return {key: value(rand, depth + 1) for key in rand.sample(range(-2**63, 2**64, 2**55 + 1), rand.randrange(1, 4))}
    return cbor2.CBORTag(rand.randrange(40000, 2**40), value(rand, depth + 1))


def same(one, two):
    if isinstance(one, float) and isinstance(two, float):
        return struct.pack(">d", one) == struct.pack(">d", two) or (math.isnan(one) and math.isnan(two))
    if type(one) is not type(two):
        return False
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, cbor2.CBORTag):
        return one.tag == two.tag and same(one.value, two.value)
    return one == two


def without_undefined(item):
    if isinstance(item, list):
        return [without_undefined(each) for each in item]
    if isinstance(item, dict):
        return {key: without_undefined(each) for key, each in item.items() if each is not cbor2.undefined}
    if isinstance(item, cbor2.CBORTag):
        return cbor2.CBORTag(item.tag, without_undefined(item.value))
    return item


def malformed(rand):
    data = bytearray(cbor2.dumps(value(rand)))
    for _ in range(rand.randrange(1, 4)):
        action = rand.choice(("flip", "cut", "insert", "noise"))
        if action == "flip" and data:
            data[rand.randrange(len(data))] ^= 1 << rand.randrange(8)
        elif action == "cut":
            del data[rand.randrange(len(data) + 1):]
        elif action == "insert":
            data.insert(rand.randrange(len(data) + 1), rand.randrange(256))
        else:
            data = bytearray(rand.randbytes(rand.randrange(1, 20)))
    return bytes(data)


# What this client refuses and cbor2 takes: repeated keys, bytes after the item, deep nesting, and what RFC 8949 does not
# allow.
STRICTER = ("comes twice", "bytes after the item", "nested deeper", "reserved head", "a simple value in two bytes",
            "a wrong part of a string", "a break outside")


class Cross(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = prepare.installed(["cross.mjs"])
        cls.folder = cls.context.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.context.__exit__(None, None, None)

    def through(self, items):
        source, result = self.folder / "in.bin", self.folder / "out.bin"
        source.write_bytes(b"".join(struct.pack(">I", len(item)) + item for item in items))
        subprocess.run(["node", "cross.mjs", source, result], cwd=self.folder, check=True)
        data, out, at = result.read_bytes(), [], 0
        while at < len(data):
            taken, size = struct.unpack_from(">BI", data, at)
            out.append((bool(taken), data[at + 5:at + 5 + size]))
            at += 5 + size
        self.assertEqual(len(out), len(items))
        return out

    def test_values_survive_both_ways(self):
        rand = random.Random(18)
        values = [value(rand) for _ in range(COUNT)]
        for given, (taken, back) in zip(values, self.through([cbor2.dumps(each) for each in values])):
            self.assertTrue(taken, (given, back))
            self.assertTrue(same(given, cbor2.loads(back)), (given, back.hex()))

    def test_both_refuse_the_same_bytes(self):
        rand = random.Random(81)
        items = [malformed(rand) for _ in range(COUNT)]
        refused = 0
        for item, (taken, back) in zip(items, self.through(items)):
            try:
                theirs = cbor2.loads(item)
                readable = True
            except Exception:  # pylint: disable=broad-except
                readable = False
            refused += not taken
            if taken and not readable:
                self.check_stricter_cbor2(item, back)
            elif not taken and readable:
                self.assertTrue(any(reason in back.decode() for reason in STRICTER), (item.hex(), back))
            elif taken and not self.is_special(theirs):
                self.assertTrue(same(without_undefined(theirs), cbor2.loads(back)), (item.hex(), back.hex()))
        self.assertGreater(refused, COUNT // 4)

    def check_stricter_cbor2(self, item, back):
        """cbor2 gives meaning to tags, and has no lists as keys: what it cannot then make, it refuses."""
        self.assertTrue(self.well_formed(item), (item.hex(), back.hex()))

    @staticmethod
    def well_formed(item):
        """Whether the bytes are one well-formed item, read by the rules of RFC 8949 alone."""
        def skip(at, breakable=False):
            major, info = item[at] >> 5, item[at] & 31
            at += 1
            size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
            argument = int.from_bytes(item[at:at + size], "big") if size else info
            if at + size > len(item) or info in (28, 29, 30):
                raise IndexError
            at += size
            if info == 31:
                if major == 7 and breakable:
                    return -at
                if major in (2, 3):
                    while item[at] != 0xff:
                        if item[at] >> 5 != major or item[at] & 31 == 31:
                            raise IndexError
                        at = skip(at)
                    return at + 1
                if major in (4, 5):
                    count = 0
                    while (at := skip(at, True)) > 0:
                        count += 1
                    if major == 5 and count % 2:
                        raise IndexError
                    return -at
                raise IndexError
            if major in (2, 3):
                if at + argument > len(item):
                    raise IndexError
                if major == 3:
                    item[at:at + argument].decode("utf-8")
                return at + argument
            for _ in range({4: argument, 5: 2 * argument, 6: 1}.get(major, 0)):
                at = skip(at)
            if major == 7 and info == 24 and argument < 32:
                raise IndexError
            return at
        try:
            return skip(0) == len(item)
        except (IndexError, UnicodeDecodeError):
            return False

    def is_special(self, item):
        """Whether cbor2 has made something of its own of a tag, or Python takes two keys as one."""
        if isinstance(item, (list, tuple)):
            return isinstance(item, tuple) or any(map(self.is_special, item))
        if isinstance(item, dict):
            return any(not isinstance(key, str) for key in item) or any(map(self.is_special, item.values()))
        if isinstance(item, cbor2.CBORTag):
            return self.is_special(item.value)
        return not isinstance(item, (int, float, str, bytes, bool, type(None), type(cbor2.undefined), cbor2.CBORSimpleValue))


if __name__ == "__main__":
    unittest.main()
