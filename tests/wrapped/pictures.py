# SPDX-License-Identifier: Apache-2.0
"""Writes baseline JPEG pictures of grey squares, whose pixels are known exactly."""

import struct

SIDE = 8  # pixels of a square
CATEGORIES = 12  # of differences; the code of each is its number, in four bits


def segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def scan(squares):
    """The entropy-coded data: of each square the difference to the one before, and the end of the block."""
    bits, before = [], 0
    for grey in squares:
        value = SIDE * (grey - 128)
        difference, before = value - before, value
        category = abs(difference).bit_length()
        bits.append(f"{category:04b}")
        if category:
            bits.append(f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}")
        bits.append("0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def grey_jpeg(width, height, grey):
    """A picture of so many squares, and its pixels. grey(x, y) is the value of a square."""
    rows = [[grey(x, y) for x in range(width)] for y in range(height)]
    codes = [0] * 16
    codes[3] = CATEGORIES
    end_of_block = [1] + [0] * 15
    data = (b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64)
            + segment(0xC0, struct.pack(">BHHBBBB", 8, height * SIDE, width * SIDE, 1, 1, 0x11, 0))
            + segment(0xC4, b"\0" + bytes(codes) + bytes(range(CATEGORIES)))
            + segment(0xC4, b"\x10" + bytes(end_of_block) + b"\0")
            + segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + scan(value for row in rows for value in row) + b"\xff\xd9")
    return data, b"".join(b"".join(bytes([value]) * SIDE for value in row) * SIDE for row in rows)
