#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes vectors/*.json: bytes of the protocol with their meaning. `--check` only compares, and exits 1 if one differs."""

import argparse
import json
import pathlib
import sys

from wire import FRAMES, Text, Wide, encode, frame, members_of, read

ROOM = pathlib.Path(__file__).resolve().parent / "vectors"
LARGEST = 0xffffffffffffffff


def meaning_of(value):
    """A value in JSON that every reader keeps exact."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, int) and abs(value) > 1 << 53:
        return {"int": str(value)}
    if isinstance(value, list):
        return [meaning_of(each) for each in value]
    return value


def vector(name, items, note, exact=False):
    data = frame(items)
    found = read(data[4:])
    return {"name": name, "note": note, "bytes": data.hex(), "exact": exact,
            "frame": {member: meaning_of(value) for member, value in found.items()}}


def whole(name, note, *values):
    """A frame with these items, in the form that most senders write: the shortest heads."""
    return vector(name, [FRAMES[name.split()[0]][0], *values], note, True)


def frames():
    hello = ["backplane", 1, "0.1.0", 4242, 67108864, 1]
    return [
        whole("hello", "of an application", *hello, ["credit", "parts"]),
        whole("hello of a host", "with its window of requests in parts", *hello,
              ["credit", "parts", "lossless", "log", "operations", "reconfigure", "settings", "compare", "provide",
               "expect"], 1048576, 1024),
        whole("call", "by wire name; the payload is an empty CBOR map", 1, "echo.version", b"\xa0", 1000, 0),
        whole("call by method", "the id came from resolve", 2, 77, b"\x01\x02\xff", 0, 1),
        whole("call with a window", "flag bit 1: credit follows", 3, "generator.count", b"\xa0", 0, 2, 65536, 16),
        whole("call with an empty payload", "a payload may be empty: it is no CBOR then", 4, "echo.raw", b"", 0, 0),
        whole("call with the largest numbers", "an id is any unsigned integer of 64 bits", LARGEST, "echo.raw", b"x",
              LARGEST, 5),
        whole("cancel", "", 3),
        whole("resolve", "", 5, "kv.get"),
        whole("listen", "an event, or a prefix and *", 6, 1, "timer.*"),
        whole("listen without loss", "flag bit 1", 7, 2, "news.told", 2),
        whole("unlisten", "", 8, 1),
        whole("load", "the path is bytes, because a file name need not be UTF-8", 9, b"/opt/m/\xff.so", b"\xa0"),
        whole("load with settings", "", 10, b"/opt/m/kv.so", b"", 2, 65536, 4, 0),
        whole("unload", "", 11, "kv", 300),
        whole("reload", "the same file, the same configuration", 12, "kv", b"", b"", 0),
        whole("reload with settings", "flag bit 4: compare only", 13, "kv", b"/opt/m/kv.so", b"", 5000, 16, 0, 0, 0),
        whole("list", "", 14),
        whole("status", "", 15),
        whole("stop", "", 16),
        whole("credit", "", 3, 4096),
        whole("part", "", 17, b"more", 0),
        whole("part that is the last", "flag bit 0", 17, b"last", 1),
        whole("part that is none", "flag bit 1: no part follows", 17, b"", 2),
        whole("heard", "", 2, 300),
        whole("reply", "the terminal reply of call 1", 1, 0, encode({"version": "1.0.0"}), "", b""),
        whole("reply with a partial answer", "status 4", 3, 4, b"\x01", "", b""),
        whole("reply with an error", "a status of a module, and its detail", 18, 1001, b"", "found nothing; expected a key",
              encode({"key": "é"})),
        whole("reply with the least status", "a status is any signed integer of 32 bits", 19, -(1 << 31), b"", "", b""),
        whole("reply with the largest status", "", 20, (1 << 31) - 1, b"", "", b""),
        whole("event", "flag bit 0: a typed event", 1, 1, "timer.fired",
              encode({"eventType": "timer.fired", "payload": {"count": 3}})),
        whole("event with an empty payload", "", 1, 0, "news.tick", b""),
        whole("event that is a gap", "flag bits 0 and 1", 1, 3, "backplane.gap",
              encode({"eventType": "backplane.gap", "payload": {"lost": 42, "since_ms": 1764422400000}})),
        whole("error", "the last frame of its sender", 42, "a second hello; expected one"),
        whole("log", "", 21, "kv", "debug"),
        whole("begin", "kind 1: a load", 22, 1, "", b"/opt/m/kv.so", b""),
        whole("begin with settings", "kind 3: a reload", 23, 3, "kv", b"", b"", 1, 0, 2, 0),
        whole("wait", "", 24, 7, 1000),
        whole("undo", "", 25, 7),
        whole("reconfigure", "flag bit 0: a dry run", 26, 1),
        whole("expect", "the hash alone", 27, "timer", "f5178d5d68f0004f"),
        whole("expect with the text", "after the host has asked for it", 28, "timer", "f5178d5d68f0004f",
              "timer.now.request = {}\ntimer.now.reply = uint\n"),
        whole("provide", "kind 0: a host function", 29, 0, "app.profile"),
        whole("provide with a window", "for a later version: flags are 0 now", 30, 0, "app.profile", 0, 65536, 16),
        whole("withdraw", "", 31, "app.profile"),
        whole("ask", "", 1, "app.profile", encode({"user": "é"}), 1500, 0),
        whole("ask without a bound", "an empty payload, no timeout", 2, "app.now", b"", 0, 0),
        whole("answer", "", 1, 0, encode({"name": "Ada"}), "", b""),
        whole("answer with an error", "", 2, 1004, b"", "no such profile", encode(None)),
        whole("unask", "", 2),
    ]


def lenient():
    """What a receiver must take, though few senders write it."""
    return [
        vector("integers in eight bytes", [Wide(2), Wide(1), "echo.raw", b"x", Wide(0), Wide(0)],
               "an integer need not be minimal, the type of a frame included"),
        vector("a text whose length is in eight bytes", [2, 1, Text("echo.raw"), b"x", 0, 0], "nor a length"),
        vector("a status in eight bytes", [16, 1, Wide(-1), b"", "", b""], ""),
        vector("items after those that this version knows", [16, 1, 0, b"x", "", b"", "new", {"more": [1, 2]}, None],
               "they are ignored, whatever they are"),
        vector("an item after a cancel", [3, 1, "new"], ""),
        vector("a hello of the first version", [1, "backplane", 1, "0.1.0", 1, 67108864],
               "what is missing at the end is 0 or empty"),
        vector("a hello with unknown features", [1, "backplane", 2, "9.0.0", 1, 67108864, 1, ["x", "parts", "credit"]],
               "names that the receiver does not know are ignored; a newer version that goes back to 1 is usable"),
        vector("a hello without its window", [1, "backplane", 1, "0.1.0", 1, 67108864, 1, []], ""),
        vector("a hello with the largest frames", [1, "backplane", 1, "0.1.0", 1, LARGEST, 1, [], LARGEST, (1 << 32) - 1],
               "a size beyond what the receiver can use is no error"),
        vector("a call with half of its window", [2, 1, "echo.raw", b"", 0, 2, 4096], "the rest is 0: the default"),
        vector("a listen with flags 0", [5, 1, 1, "a.b", 0], ""),
        vector("a provide with flags alone", [25, 1, 0, "app.f", 0], ""),
        vector("a message beyond ASCII", [18, 42, "größer, 大きい, 🙂"], "text is UTF-8"),
        vector("an empty message", [16, 1, 18, b"", "", b""], "an error need not have a text"),
        vector("a payload with every byte", [27, 1, "app.f", bytes(range(256)), 0, 0],
               "a payload is any bytes"),
    ]


def fatal(name, body, why):
    return {"name": name, "why": why, "bytes": (len(body).to_bytes(4, "big") + body).hex()}


def errors():
    """Frames that end the connection. Each comes after a valid hello."""
    call = encode([2, 1, "echo.raw", b"x", 0, 0])
    return [
        fatal("an empty frame", b"", "there is no array"),
        fatal("no array", encode({"a": 1}), "a frame is an array"),
        fatal("an empty array", encode([]), "the type of the frame is missing"),
        fatal("an array of unknown length", b"\x9f" + call[1:] + b"\xff", "lengths are known"),
        fatal("a text of unknown length", b"\x86\x02\x01\x7f\x68echo.raw\xff\x41x\x00\x00", "lengths are known"),
        fatal("bytes of unknown length", b"\x86\x02\x01\x68echo.raw\x5f\x41x\xff\x00\x00", "lengths are known"),
        fatal("the type 0", encode([0, 1]), "no frame has it"),
        fatal("a type that is not known", encode([1000, 1]), "new types come with a feature, so that nobody gets them unasked"),
        fatal("a negative type", encode([-3, 1]), "a type is an unsigned integer"),
        fatal("a type that is text", encode(["call", 1]), "a type is an unsigned integer"),
        fatal("too few items", encode([2, 1, "echo.raw", b"x", 0]), "flags are missing"),
        fatal("an id that is text", encode([3, "1"]), "an id is an unsigned integer"),
        fatal("a negative id", encode([3, -1]), "an id is an unsigned integer"),
        fatal("an id that is a float", encode([3, 1.0]), "a float is no integer"),
        fatal("a payload that is text", encode([2, 1, "echo.raw", "x", 0, 0]), "a payload is bytes"),
        fatal("a target that is bytes", encode([2, 1, b"echo.raw", b"x", 0, 0]), "a target is text, or a method id"),
        fatal("flags beyond 32 bits", encode([2, 1, "echo.raw", b"x", 0, 1 << 32]), "flags have 32 bits"),
        fatal("a status beyond 32 bits", encode([28, 1, 1 << 31, b"", "", b""]), "a status has 32 bits, with a sign"),
        fatal("a status below 32 bits", encode([28, 1, -(1 << 31) - 1, b"", "", b""]), "a status has 32 bits, with a sign"),
        fatal("a name that is not UTF-8", b"\x83\x04\x01\x62\xc3\x28", "text is UTF-8"),
        fatal("a surrogate in a name", b"\x83\x04\x01\x63\xed\xa0\x80", "text is UTF-8, which has no surrogates"),
        fatal("bytes after the array", call + b"\x00", "a frame is one item"),
        fatal("an item that is cut off", call[:-1], "an item is missing"),
        fatal("a string that is cut off", b"\x83\x04\x01\x63ab", "a byte is missing"),
        fatal("an integer that is cut off", b"\x82\x03\x1b\x00\x00", "an item is cut off"),
        fatal("a reserved head", b"\x82\x03\x1c", "RFC 8949 reserves it"),
        fatal("a break", b"\x82\x03\xff", "nothing of unknown length is open"),
        fatal("a further item that is nested too deeply", b"\x83\x03\x01" + b"\x81" * 65 + b"\x01",
              "at most 64 levels, also in what is ignored"),
        fatal("an array that announces too much", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x03\x01", "its items are not there"),
    ]


def wrong_direction():
    """Well-formed frames that this receiver does not take. They end the connection as well."""
    def of(receiver, name, items):
        return {"name": name, "receiver": receiver, "bytes": frame(items).hex()}
    return [
        of("host", "a second hello", [1, "backplane", 1, "0.1.0", 1, 67108864]),
        of("host", "a reply", [16, 1, 0, b"", "", b""]),
        of("host", "an event", [17, 1, 0, "a.b", b""]),
        of("host", "an ask", [27, 1, "app.f", b"", 0, 0]),
        of("host", "an unask", [29, 1]),
        of("host", "an answer that is not terminal", [28, 1, 4, b"", "", b""]),
        of("application", "a hello after the first", [1, "backplane", 1, "0.1.0", 1, 67108864]),
        of("application", "a call", [2, 1, "echo.raw", b"x", 0, 0]),
        of("application", "a provide", [25, 1, 0, "app.f"]),
        of("application", "an answer", [28, 1, 0, b"", "", b""]),
    ]


FILES = {"frames.json": ("frames in the form that most senders write", frames),
         "lenient.json": ("frames that a receiver must take as well", lenient),
         "errors.json": ("bytes that end the connection", errors),
         "wrong_direction.json": ("frames that one side must not send", wrong_direction)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for name, (about, make) in FILES.items():
        text = json.dumps({"license": "SPDX-License-Identifier: Apache-2.0", "about": about, "vectors": make()},
                          indent=1, ensure_ascii=False) + "\n"
        path = ROOM / name
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"make_vectors.py: {', '.join(stale)} differ; run tests/protocol/make_vectors.py")


if __name__ == "__main__":
    main()
