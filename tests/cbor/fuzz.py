# SPDX-License-Identifier: Apache-2.0
"""backplane/cbor.h against cbor2, against a checker written from RFC 8949, and against the C++ reader of the SDK.

Values are made at random from fixed seeds and written by cbor2, and by a writer that uses long heads and unknown
lengths. Then their bytes are damaged. For each input: all readers must agree whether it is well-formed, and what the C
code writes again must mean the same.
"""
import itertools
import math
import random
import struct
import subprocess
import sys

import cbor2

VALUES = 1500
DAMAGED_EACH = 3
DEPTH = 64  # BP_CBOR_DEPTH


class Malformed(Exception):
    pass


def head(data, at):
    """(major, low, value, end) of the head at `at`."""
    if at >= len(data):
        raise Malformed("cut off")
    major, low = data[at] >> 5, data[at] & 31
    if low < 24:
        return major, low, low, at + 1
    if low > 27:
        return major, low, 0, at + 1
    end = at + 1 + (1 << (low - 24))
    if end > len(data):
        raise Malformed("cut off")
    return major, low, int.from_bytes(data[at + 1:end], "big"), end


def end_of_item(data, at, depth, brk=False):
    """Where the item ends, by RFC 8949, appendix C. Returns None for a break that is allowed."""
    major, low, value, end = head(data, at)
    if low in (28, 29, 30):
        raise Malformed("reserved")
    if depth > DEPTH:
        raise Malformed("deep")
    if low == 31:
        if major == 7:
            if not brk:
                raise Malformed("break")
            return None
        if major not in (2, 3, 4, 5):
            raise Malformed("unknown length")
        if depth >= DEPTH:
            raise Malformed("deep")
        if major in (2, 3):
            while True:
                if data[end:end + 1] == b"\xff":
                    return end + 1
                chunk_major, chunk_low, size, begin = head(data, end)
                if chunk_major != major or chunk_low > 27:
                    raise Malformed("chunk")
                end = end_of_string(data, begin, size, major)
        count = 0
        while True:
            after = end_of_item(data, end, depth + 1, brk=True)
            if after is None:
                if major == 5 and count % 2:
                    raise Malformed("odd")
                return end + 1
            end, count = after, count + 1
    if major in (2, 3):
        return end_of_string(data, end, value, major)
    if major in (4, 5, 6):
        count = {4: value, 5: 2 * value, 6: 1}[major]
        if count > len(data):
            raise Malformed("cut off")
        for _ in range(count):
            end = end_of_item(data, end, depth + 1)
        return end
    if major == 7 and low == 24 and value < 32:
        raise Malformed("simple")
    return end


def end_of_string(data, begin, size, major):
    if begin + size > len(data):
        raise Malformed("cut off")
    if major == 3:
        try:
            data[begin:begin + size].decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("utf-8") from None
    return begin + size


def is_well_formed(data):
    try:
        return end_of_item(data, 0, 0) == len(data)
    except Malformed:
        return False


def text(rng):
    alphabet = ["a", "Z", "0", " ", "\n", "\0", "é", "ß", "中", "\uffff", "😀", "\U0010ffff"]
    return "".join(rng.choice(alphabet) for _ in range(rng.choice([0, 1, 5, 23, 24, 30, 300])))


def integer(rng):
    value = rng.getrandbits(rng.choice([1, 5, 8, 16, 32, 63, 64]))
    return value if rng.random() < 0.5 else -1 - value


def real(rng):
    special = [0.0, -0.0, 1.5, 0.1, 65504.0, 1e300, -1e-310, 5.960464477539063e-08, math.inf, -math.inf, math.nan]
    return rng.choice(special) if rng.random() < 0.5 else struct.unpack("<d", rng.randbytes(8))[0]


def value(rng, depth=0):
    kinds = [integer, text, real, lambda r: r.randbytes(r.choice([0, 1, 23, 24, 256])), lambda r: None,
             lambda r: r.random() < 0.5, lambda r: cbor2.undefined, lambda r: cbor2.CBORSimpleValue(r.choice([0, 19, 32, 255]))]
    roll = rng.random()
    if depth < 4 and roll < 0.25:
        return [value(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 24] if depth == 0 else [0, 1, 2, 3]))]
    if depth < 4 and roll < 0.5:
        return {rng.choice([text, integer])(rng): value(rng, depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 24] if depth == 0 else [0, 1, 2, 3]))}
    if depth < 4 and roll < 0.55:
        return cbor2.CBORTag(rng.choice([1000, 70000, 2**40]), value(rng, depth + 1))
    return rng.choice(kinds)(rng)


def long_head(rng, major, argument):
    sizes = [n for n in (1, 2, 4, 8) if argument < 1 << (8 * n)]
    if argument < 24 and rng.random() < 0.5:
        return bytes([major << 5 | argument])
    size = rng.choice(sizes)
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + argument.to_bytes(size, "big")


def odd_form(rng, item):
    """`item` with heads that are longer than needed, and with unknown lengths."""
    if isinstance(item, bool) or item is None or item is cbor2.undefined or isinstance(item, cbor2.CBORSimpleValue):
        return cbor2.dumps(item)
    if isinstance(item, int):
        return long_head(rng, 0, item) if item >= 0 else long_head(rng, 1, -1 - item)
    if isinstance(item, float):
        return b"\xfb" + struct.pack(">d", item)
    if isinstance(item, (bytes, str)):
        major = 2 if isinstance(item, bytes) else 3
        raw = item if isinstance(item, bytes) else item.encode()
        if rng.random() < 0.3:
            half = item[:len(item) // 2], item[len(item) // 2:]
            raws = [h if isinstance(h, bytes) else h.encode() for h in half]
            return bytes([major << 5 | 31]) + b"".join(long_head(rng, major, len(r)) + r for r in raws) + b"\xff"
        return long_head(rng, major, len(raw)) + raw
    if isinstance(item, cbor2.CBORTag):
        return long_head(rng, 6, item.tag) + odd_form(rng, item.value)
    inside = list(item) if isinstance(item, list) else [each for pair in item.items() for each in pair]
    body = b"".join(odd_form(rng, each) for each in inside)
    major = 4 if isinstance(item, list) else 5
    if rng.random() < 0.5:
        return bytes([major << 5 | 31]) + body + b"\xff"
    return long_head(rng, major, len(item)) + body


def damaged(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2])):
        how = rng.randrange(4)
        at = rng.randrange(len(data) + 1)
        if how == 0:
            del data[at:]
        elif how == 1 and data:
            data[at % len(data)] = rng.choice([0xff, 0x9f, 0xbf, 0x7f, 0x5f, 0xf8, 0xc0, 0x3b, 0x9b, rng.randrange(256)])
        elif how == 2:
            data[at:at] = rng.randbytes(rng.choice([1, 2]))
        elif data:
            del data[at % len(data)]
    return bytes(data)


def nested():
    """Around the bound of depth, in each form of nesting."""
    for levels in (1, DEPTH - 1, DEPTH, DEPTH + 1, 100, 100_000):
        yield b"\x81" * levels + b"\x00"
        yield b"\xa1\x00" * levels + b"\x00"
        yield b"\xc1" * levels + b"\x00"
        yield b"\x9f" * levels + b"\x00" + b"\xff" * levels
        yield b"\x81" * (levels - 1) + b"\x80"
        yield b"\x81" * levels + b"\x62ab"


def utf8_edges():
    """Texts of one to four bytes from the edges of what RFC 3629 allows."""
    leads = [0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5]
    seconds = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]
    others = [0x7f, 0x80, 0xbf, 0xc0]
    for size in (1, 2, 3, 4):
        for text_bytes in itertools.product(*[leads, seconds, others, others][:size]):
            yield bytes([0x60 | size, *text_bytes])


def narrow_floats(rng):
    for _ in range(300):
        yield b"\xf9" + rng.randbytes(2)
        yield b"\xfa" + rng.randbytes(4)
    for edge in ("0000", "8000", "0001", "03ff", "0400", "7bff", "7c00", "fc00", "7e00"):
        yield b"\xf9" + bytes.fromhex(edge)


def ask(probe, inputs):
    stdin = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
    done = subprocess.run([probe], input=stdin, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        sys.exit(f"fuzz.py: {probe} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    out, at = done.stdout, 0
    for _ in inputs:
        good, other = out[at] == 1, out[at + 1] == 1
        at += 2
        texts = []
        for _ in range(2):
            size, = struct.unpack_from("<I", out, at)
            texts.append(out[at + 4:at + 4 + size])
            at += 4 + size
        yield good, other, texts[0], texts[1].decode()


def same(a, b):
    """Equal, where NaN equals NaN, and 0.0 is not -0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return (a != a and b != b) or struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(key in b and same(a[key], b[key]) for key in a)
    if isinstance(a, cbor2.CBORTag) and isinstance(b, cbor2.CBORTag):
        return a.tag == b.tag and same(a.value, b.value)
    return type(a) is type(b) and a == b


def main(probe):
    rng = random.Random(20_160)
    meant, inputs = [], []
    for _ in range(VALUES):
        item = value(rng)
        for data in (cbor2.dumps(item), odd_form(rng, item)):
            meant.append(item)
            inputs.append(data)
            for _ in range(DAMAGED_EACH):
                meant.append(None)
                inputs.append(damaged(rng, data))
    for data in narrow_floats(rng):
        meant.append(cbor2.loads(data))
        inputs.append(data)
    whole = len(inputs)
    inputs += list(nested()) + list(utf8_edges()) + [bytes([byte]) for byte in range(256)] + [b"", b"\x00\x00", b"\xf8\x1f", b"\xf8\x20"]
    counts = {"whole": 0, "good": 0, "refused": 0}
    for number, (data, found) in enumerate(zip(inputs, ask(probe, inputs))):
        good, other, again, fault = found
        wrong = None
        if good != is_well_formed(data):
            wrong = f"cbor.h says {good} ({fault}), RFC 8949 {not good}"
        elif other != good:
            wrong = f"cbor.h says {good} ({fault}), the C++ reader {other}"
        elif not good and (fault == "" or again):
            wrong = "refused without a fault"
        elif good and not is_well_formed(again):
            wrong = f"written again as {again.hex()}, which is not well-formed ({fault})"
        elif number < whole and meant[number] is not None and not same(cbor2.loads(again), meant[number]):
            wrong = f"written again as {again.hex()}, which means something else"
        if wrong:
            sys.exit(f"fuzz.py: input {number}, {data[:200].hex()}: {wrong}")
        counts["good" if good else "refused"] += 1
        counts["whole"] += number < whole and meant[number] is not None
    print(f"{len(inputs)} inputs: {counts}")
    if counts["whole"] < VALUES or counts["refused"] < VALUES or counts["good"] < 2 * VALUES:
        sys.exit("fuzz.py: too few of a kind; it looked at nothing")


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    main(sys.argv[1])
