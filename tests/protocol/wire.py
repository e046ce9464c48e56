# SPDX-License-Identifier: Apache-2.0
"""The frames of docs/protocol.md in plain Python, written from that page alone: what the vectors and the conformance
script are made with. It shares no code with the host."""

import struct

DEFAULT_MAX_FRAME = 67108864


class Malformed(Exception):
    """Bytes that are not well-formed, or not a frame of the protocol."""


class Text(str):
    """Text whose head is written with more bytes than it needs."""


class Wide(int):
    """An integer that is written with eight bytes, though fewer would do."""


def head(major, value, wide=False):
    if value < 24 and not wide:
        return bytes([major << 5 | value])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * size) and (not wide or size == 8):
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise ValueError(value)


def encode(value):
    """One CBOR item, in its shortest form unless Wide or Text ask for another."""
    if value is None:
        return b"\xf6"
    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        wide = isinstance(value, Wide)
        return head(0, int(value), wide) if value >= 0 else head(1, -1 - int(value), wide)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, (bytes, bytearray)):
        return head(2, len(value)) + bytes(value)
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text), isinstance(value, Text)) + text
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(encode(each) for each in value)
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(encode(key) + encode(each) for key, each in value.items())
    raise TypeError(type(value))


def decode(data):
    """The one item in `data`. Only items of known length, as frames and the reports of the host have them."""
    value, at = decode_item(data, 0)
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes after the item")
    return value


def decode_item(data, at, depth=0):
    if depth > 64:
        raise Malformed("nested too deeply")
    if at >= len(data):
        raise Malformed("cut off")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        argument = info
    elif info < 28:
        size = 1 << (info - 24)
        if at + size > len(data):
            raise Malformed("cut off")
        argument = int.from_bytes(data[at:at + size], "big")
        at += size
    else:
        raise Malformed(f"the head {data[at - 1]:#x}")
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        if at + argument > len(data):
            raise Malformed("a string that is cut off")
        found = bytes(data[at:at + argument])
        try:
            return (found if major == 2 else found.decode()), at + argument
        except UnicodeDecodeError as error:
            raise Malformed("text that is not UTF-8") from error
    if major == 4:
        items = []
        for _ in range(argument):
            item, at = decode_item(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        pairs = {}
        for _ in range(argument):
            key, at = decode_item(data, at, depth + 1)
            pairs[key], at = decode_item(data, at, depth + 1)
        return pairs, at
    if major == 7 and info in (20, 21, 22, 23):
        return {20: False, 21: True, 22: None, 23: None}[info], at
    if major == 7 and info in (25, 26, 27):
        form = {25: ">e", 26: ">f", 27: ">d"}[info]
        return struct.unpack(form, argument.to_bytes(1 << (info - 24), "big"))[0], at
    raise Malformed(f"an item of major type {major}")


def frame(items):
    """A frame: its length and its array."""
    body = encode(items)
    return len(body).to_bytes(4, "big") + body


# Frame: its number and its items. "uint" and "int32" are numbers, "text" and "bytes" strings, "target" either a wire name
# or a method id, "features" a list of texts. What follows "?" may be missing at the end, and is then 0 or empty.
FRAMES = {
    "hello": (1, ["magic:text", "protocol:uint", "version:text", "pid:uint", "max-frame:uint", "?",
                  "oldest-protocol:uint", "features:features", "window-bytes:uint", "window-parts:uint32"]),
    "call": (2, ["id:uint", "target:target", "payload:bytes", "timeout-ms:uint", "flags:uint32", "?",
                 "window-bytes:uint", "window-parts:uint32"]),
    "cancel": (3, ["id:uint"]),
    "resolve": (4, ["id:uint", "name:text"]),
    "listen": (5, ["id:uint", "listener:uint", "pattern:text", "?", "flags:uint32"]),
    "unlisten": (6, ["id:uint", "listener:uint"]),
    "load": (7, ["id:uint", "path:bytes", "config:bytes", "?", "flags:uint32", "stack-size:uint", "workers:uint32",
                 "drain-ms:uint32"]),
    "unload": (8, ["id:uint", "module:text", "timeout-ms:uint"]),
    "reload": (9, ["id:uint", "module:text", "path:bytes", "config:bytes", "timeout-ms:uint", "?", "flags:uint32",
                   "stack-size:uint", "workers:uint32", "drain-ms:uint32"]),
    "list": (10, ["id:uint"]),
    "status": (11, ["id:uint"]),
    "stop": (12, ["id:uint"]),
    "credit": (13, ["id:uint", "bytes:uint"]),
    "part": (14, ["id:uint", "payload:bytes", "flags:uint32"]),
    "heard": (15, ["listener:uint", "bytes:uint"]),
    "reply": (16, ["id:uint", "status:int32", "payload:bytes", "message:text", "detail:bytes"]),
    "event": (17, ["listener:uint", "flags:uint32", "name:text", "payload:bytes"]),
    "error": (18, ["status:int32", "message:text"]),
    "log": (19, ["id:uint", "module:text", "level:text"]),
    "begin": (20, ["id:uint", "kind:uint32", "module:text", "path:bytes", "config:bytes", "?", "flags:uint32",
                   "stack-size:uint", "workers:uint32", "drain-ms:uint32"]),
    "wait": (21, ["id:uint", "operation:uint", "timeout-ms:uint"]),
    "undo": (22, ["id:uint", "operation:uint"]),
    "reconfigure": (23, ["id:uint", "flags:uint32"]),
    "expect": (24, ["id:uint", "module:text", "hash:text", "?", "cddl:text"]),
    "provide": (25, ["id:uint", "kind:uint", "name:text", "?", "flags:uint32", "window-bytes:uint",
                     "window-parts:uint32"]),
    "withdraw": (26, ["id:uint", "name:text"]),
    "ask": (27, ["token:uint", "name:text", "payload:bytes", "timeout-ms:uint", "flags:uint32"]),
    "answer": (28, ["token:uint", "status:int32", "payload:bytes", "message:text", "detail:bytes"]),
    "unask": (29, ["token:uint"]),
}
NAMES = {number: name for name, (number, _) in FRAMES.items()}
EMPTY = {"uint": 0, "uint32": 0, "int32": 0, "text": "", "bytes": b"", "features": []}


def members_of(name):
    """[(member, type)], and how many of them must be there."""
    described = FRAMES[name][1]
    least = described.index("?") if "?" in described else len(described)
    return [tuple(each.split(":")) for each in described if each != "?"], least


def fits(value, kind):
    number = isinstance(value, int) and not isinstance(value, bool)
    return {"uint": number and value >= 0, "uint32": number and 0 <= value < 1 << 32,
            "int32": number and -1 << 31 <= value < 1 << 31, "text": isinstance(value, str),
            "bytes": isinstance(value, bytes), "target": isinstance(value, str) or (number and value >= 0),
            "features": isinstance(value, list) and all(isinstance(each, str) for each in value)}[kind]


def read(body):
    """The frame in a body, as {"frame": name, member: value, …}. Raises Malformed for what must end a connection."""
    items = decode(body)
    if not isinstance(items, list) or not items or items[0] not in NAMES or isinstance(items[0], bool):
        raise Malformed("no array that begins with the type of a frame")
    name = NAMES[items[0]]
    members, least = members_of(name)
    if len(items) - 1 < least:
        raise Malformed(f"a {name} frame with {len(items)} items")
    out = {"frame": name}
    for position, (member, kind) in enumerate(members, 1):
        value = items[position] if position < len(items) else EMPTY[kind]
        if not fits(value, kind):
            raise Malformed(f"a {name} frame with {value!r} as {member}")
        out[member] = value
    if name == "hello" and out.pop("magic") != "backplane":
        raise Malformed("a hello of another protocol")
    return out


def write(kind, /, **values):
    """A frame as this side sends it. Members that may be missing are left out at the end if they are 0 or empty."""
    members, least = members_of(kind)
    values.setdefault("magic", "backplane")
    items = [values.get(member.replace("-", "_"), EMPTY.get(form, b"")) for member, form in members]
    while len(items) > least and not items[-1]:
        items.pop()
    return frame([FRAMES[kind][0], *items])
