# SPDX-License-Identifier: Apache-2.0
"""A client that speaks the socket protocol by itself (docs/protocol.md), so that it may behave as it likes."""

import socket
import struct

HELLO, CALL, RESOLVE, LISTEN, UNLOAD, STATUS, REPLY, ERROR = 1, 2, 4, 5, 8, 11, 16, 18


def head(major, value):
    for size, info, form in ((1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
        if value < 24:
            return bytes([major << 5 | value])
        if value < size:
            return bytes([major << 5 | info]) + struct.pack(form, value)
    raise ValueError(value)


def encode(item):
    """CBOR of ints from 0, bytes, text, lists and dicts."""
    if isinstance(item, int):
        return head(0, item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(encode(each) for each in item)
    return head(5, len(item)) + b"".join(encode(key) + encode(value) for key, value in item.items())


def decode(data, at=0):
    """The item at this place, and where it ends."""
    major, info = data[at] >> 5, data[at] & 31
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    value = int.from_bytes(data[at + 1:at + 1 + size], "big") if size else info
    at += 1 + size
    if major in (2, 3):
        text = data[at:at + value]
        return (text if major == 2 else text.decode()), at + value
    if major == 4:
        items = []
        for _ in range(value):
            item, at = decode(data, at)
            items.append(item)
        return items, at
    return (value if major == 0 else -1 - value), at


class RawClient:
    def __init__(self, path, limit=60, wait=True):
        """`wait`: for the host's hello. Otherwise call wait_hello() before you read."""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(limit)
        self.socket.connect(path)
        self.data = b""
        self.socket.sendall(self.hello())
        if wait:
            self.wait_hello()

    def wait_hello(self):
        if self.read()[0] != HELLO:
            raise AssertionError("no hello")

    def close(self):
        self.socket.close()

    @staticmethod
    def whole(frame):
        body = encode(frame)
        return struct.pack(">I", len(body)) + body

    @classmethod
    def hello(cls):
        return cls.whole([HELLO, "backplane", 1, "0.1.0", 1, 64 << 20])

    def send(self, frame):
        self.socket.sendall(self.whole(frame))

    def call(self, number, name, payload):
        self.send([CALL, number, name, payload, 0, 0])

    def read(self):
        """The next frame; None if the host has closed the connection."""
        while True:
            if len(self.data) >= 4:
                end = 4 + struct.unpack(">I", self.data[:4])[0]
                if len(self.data) >= end:
                    frame, _ = decode(self.data[4:end])
                    self.data = self.data[end:]
                    return frame
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.data += more
