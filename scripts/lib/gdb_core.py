# SPDX-License-Identifier: Apache-2.0
"""For gdb_fibers.py: writes memory into a 64-bit ELF core file that has room for this memory but does not contain it."""

import struct

PT_LOAD = 1
MANY_SEGMENTS = 0xFFFF  # in e_phnum: the first section header has the number (gABI, "ELF Header")


class Core:
    """A core file, open for writing."""

    def __init__(self, path):
        self.file = open(path, "r+b")
        if self.read(0, 6) != b"\x7fELF\x02\x01":
            raise ValueError("it is not a little-endian 64-bit ELF file")
        headers, sections = struct.unpack("<QQ", self.read(32, 16))
        size, count = struct.unpack("<HH", self.read(54, 4))
        if count == MANY_SEGMENTS:
            count = struct.unpack("<I", self.read(sections + 44, 4))[0]
        table = self.read(headers, size * count)
        self.segments = []  # address, bytes in the file, offset
        for i in range(count):
            kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", table, i * size)
            if kind == PT_LOAD:
                self.segments.append((address, in_file, offset))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self, offset, size):
        self.file.seek(offset)
        return self.file.read(size)

    def write(self, address, data):
        """Returns False if the file has no room for the data."""
        for start, size, offset in self.segments:
            if start <= address and address + len(data) <= start + size:
                self.file.seek(offset + address - start)
                self.file.write(data)
                return True
        return False
