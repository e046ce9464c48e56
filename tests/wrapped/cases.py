# SPDX-License-Identifier: Apache-2.0
"""What the modules are asked, and the answers: from Python's own libraries, from tools, or known."""

import collections
import functools
import gzip
import hashlib
import itertools
import json
import re
import string
import struct
import subprocess
import unicodedata
import xml.etree.ElementTree

import cbor2

from pictures import grey_jpeg

MIB = 1 << 20
EXCEPTION = 32


class Call:
    """A call and its answer: bytes, a function that judges them, or a pair of a status and a message."""

    def __init__(self, name, payload, expected):
        self.name, self.payload, self.expected = name, payload, expected

    def is_right(self, status, payload, message):
        if isinstance(self.expected, tuple):
            return (status, message) == self.expected
        if callable(self.expected):
            return status == 0 and self.expected(payload)
        return (status, payload) == (0, self.expected)


class Cases:
    """Of one module: small calls, a function that makes large ones, one that takes a minute unless it is canceled, and
    small ones that recurse deeply."""

    def __init__(self, small, large, endless, deep=()):
        self.small, self.large, self.endless, self.deep = small, large, endless, deep


def typed(name, request, reply):
    return Call(name, cbor2.dumps(request), cbor2.dumps(reply))


@functools.cache
def text_of(size):
    """Words that a compressor finds work in."""
    words = ("".join(chars) for chars in itertools.product(string.ascii_lowercase, repeat=5))
    return " ".join(itertools.islice(words, size // 6 + 1)).encode()[:size]


def magic(_):
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    known = {png: "image/png", gzip.compress(b"x"): "application/gzip", b"%PDF-1.4\n": "application/pdf",
             b"hello world\n" * 9: "text/plain", b"": "application/x-empty", b"<html><body></body></html>": "text/html"}
    small = [Call("magic.work", data, kind.encode()) for data, kind in known.items()]
    return Cases(small, lambda: [Call("magic.work", text_of(4 * MIB), b"text/plain")], ("magic.long", png))


def zstd(_):
    def tool(*arguments, data):
        return subprocess.run(["zstd", "-q", "-c", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout

    def packed(data):
        return tool(f"--stream-size={len(data)}", data=data)

    small = [Call("zstd.work", packed(text_of(size)), text_of(size)) for size in (0, 1, 1000, 70000)]
    def large():
        data = text_of(8 * MIB)
        return [Call("zstd.work", packed(data), data),
                Call("zstd.pack", data, lambda out: len(out) < len(data) and tool("-d", data=out) == data)]

    # Whether the contents are right, the large call asks the tool.
    pack = Call("zstd.pack", text_of(3000), lambda out: out[:4] == b"\x28\xb5\x2f\xfd" and len(out) < 3000)
    return Cases(small + [pack], large, ("zstd.long", text_of(300000)))


def xml_(_):
    def document(count):
        return "<list>" + "".join(f'<item kind="{"abc"[i % 3]}">{i % 1000}</item>' for i in range(count)) + "</list>"

    def calls(count):
        text = document(count)
        root = xml.etree.ElementTree.fromstring(text)
        answers = {"sum(//item[@kind='a'])": sum(int(item.text) for item in root.findall("item[@kind='a']")),
                   "count(/list/item)": len(root), "string(//item[7])": root[6].text}
        return [Call("xml.work", f"{query}\n{text}".encode(), str(found).encode()) for query, found in answers.items()]

    # libxml2 adds them by recursion, up to 5000 deep, and allows 500 parentheses.
    deep = [Call("xml.work", ("1" + "+1" * 2000 + "\n<a/>").encode(), b"2001"),
            Call("xml.work", ("(" * 480 + "1+1" + ")" * 480 + "\n<a/>").encode(), b"2")]
    bad = Call("xml.work", b"//item\n<list><item></list>",
               (1, "expected a line with an XPath expression, and then an XML document"))
    return Cases(calls(9) + calls(300) + [bad], lambda: calls(150000), ("xml.long", calls(300)[0].payload),
                 deep)


def tls(_):
    small = [Call("tls.work", secret, hashlib.pbkdf2_hmac("sha256", secret, b"salt", 1000))
             for secret in (b"a", b"password", b"x" * 100)]
    return Cases(small + [Call("tls.echo", each, each) for each in (b"hello", text_of(40000))],
                 lambda: [Call("tls.echo", text_of(4 * MIB), text_of(4 * MIB))], ("tls.long", b"secret"))


def fts(_):
    def rows(query, holds, limit):
        found = list(itertools.islice((i for i in range(1, 601) if holds(i)), limit))
        return typed("fts.work", {"match": query, "limit": limit}, found)

    return Cases([rows("fizz AND buzz", lambda i: i % 15 == 0, 500), rows("word NOT fizz", lambda i: i % 3, 20),
                  rows("fizz NOT buzz", lambda i: i % 3 == 0 and i % 5, 100), rows("none", lambda i: False, 9),
                  Call("fts.work", cbor2.dumps({"match": '"', "limit": 1}), (1, "unterminated string")),
                  Call("fts.blob", b"bytes", b"bytes")],
                 lambda: [Call("fts.blob", text_of(4 * MIB), text_of(4 * MIB))], ("fts.long", b""))


def curl(server):
    def page(path):
        return Call("curl.work", f"{server.path}\nhttp://host/{path}".encode(), server.page(path))

    missing = Call("curl.work", f"{server.path}\nhttp://host/none".encode(), (1, "HTTP response code said error"))
    return Cases([page("bytes/10"), page("bytes/5000"), missing], lambda: [page(f"bytes/{4 * MIB}")],
                 ("curl.long", f"{server.path}\nhttp://host/slow".encode()))


def lua(_):
    squares = b"local t = {} for i = 1, 100 do t[i] = i * i end return table.concat(t, ',')"
    # Each level of gsub is a C function that calls Lua; Lua allows 200.
    nested = b"""local function nest(n)
                   if n == 0 then return "x" end
                   return (("a"):gsub("a", function() return nest(n - 1) end))
                 end return nest(140)"""
    return Cases([Call("lua.work", squares, ",".join(str(i * i) for i in range(1, 101)).encode()),
                  Call("lua.work", b"error('no', 0)", (1, "no")),
                  Call("lua.work", b"local s = 0 for i = 1, 3e5 do s = s + i end return s", b"45000150000")],
                 lambda: [Call("lua.work", b"return [[" + text_of(4 * MIB) + b"]]", text_of(4 * MIB))],
                 ("lua.long", b"while true do end"), [Call("lua.work", nested, b"x")])


def python(_):
    value = {"a": [1, 2.5, None, True], "b": {"c": "ä"}}
    return Cases([Call("python.work", b"result = b'%d' % sum(range(1000))", b"499500"),
                  Call("python.work", f"import json, _json\nresult = json.dumps({value}).encode()".encode(),
                       json.dumps(value).encode()),
                  Call("python.work", b"import hashlib\nresult = hashlib.sha256(b'abc').digest()",
                       hashlib.sha256(b"abc").digest()),
                  Call("python.work", b"raise ValueError('no')", (1, "no")),
                  Call("python.work", b"class A:\n  def f(self): return b'f'\nresult = A().f()", b"f")],
                 lambda: [Call("python.work", b"result = bytes(range(256)) * 16384", bytes(range(256)) * 16384)],
                 ("python.long", b"while True: check()"))


def uv(_):
    def reverse(text):
        return Call("uv.work", text, text[::-1])

    return Cases([reverse(b""), reverse(b"a"), reverse(text_of(1000))], lambda: [reverse(text_of(4 * MIB))],
                 ("uv.long", b""))


def glib(_):
    def replaced(text):
        return Call("glib.work", text, re.sub(rb"(\w+)@(\w+)", rb"\2 at \1", text))

    return Cases([replaced(b"ada@home, bob@work"), replaced(b"nothing"), replaced(b"@@ a@b@c")],
                 lambda: [replaced(b"ada@home, " * (MIB // 10))], ("glib.long", b""))


def gobject(_):
    def shouted(text):
        return Call("gobject.work", text, text.upper())

    return Cases([shouted(b"hello"), shouted(b""), shouted(text_of(2000))], lambda: [shouted(text_of(4 * MIB))],
                 ("gobject.long", text_of(1000)))


def jpeg(_):
    def picture(width, height):
        data, pixels = grey_jpeg(width, height, lambda x, y: (x * 37 + y * 11) % 256)
        return Call("jpeg.work", data, pixels)

    small = [picture(1, 1), picture(20, 4)]
    broken = Call("jpeg.work", b"no picture", (1, "Not a JPEG file: starts with 0x6e 0x6f"))
    return Cases(small + [broken], lambda: [picture(256, 256)], ("jpeg.long", small[1].payload))


def icu(_):
    def decomposed(text):
        return typed("icu.work", {"text": text}, {"text": unicodedata.normalize("NFD", text)})

    return Cases([decomposed("Ångström, Müller, 한글"), decomposed("plain"),
                  typed("icu.sorted", ["Muller", "Müller", "Muffe", "Mueller"],
                        ["Mueller", "Müller", "Muffe", "Muller"])],
                 lambda: [decomposed("Ångström, 한글 " * (MIB // 10))], ("icu.long", b""))


def field(number, value):
    """A field of a protobuf message: an unsigned number, or bytes."""
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value


def order(items):
    return field(1, b"Ada") + b"".join(field(2, field(1, name.encode()) + field(2, n)) for name, n in items)


def proto_lite(_):
    def summed(items):
        names = b"".join(field(3, name.encode()) for name, _ in items)
        return Call("proto_lite.work", order(items), field(1, b"Ada") + field(2, sum(n for _, n in items)) + names)

    small = [summed([("pen", 2), ("ink", 300)]), summed([])]
    bad = Call("proto_lite.work", b"\xff", (20, "no Order"))
    return Cases(small + [bad], lambda: [summed([(f"item {i} of many", i) for i in range(150000)])],
                 ("proto_lite.long", small[0].payload))


def proto_full(_):
    def listed(items):
        told = {"customer": "Ada", "items": [{"name": name, "count": count} for name, count in items]}
        return Call("proto_full.work", order(items), lambda out: json.loads(out) == told)

    small = [listed([("pen", 2), ("ink", 300)]), listed([("a", 1)])]
    return Cases(small, lambda: [listed([(f"item {i}", i + 1) for i in range(60000)])],
                 ("proto_full.long", small[0].payload))


def openmp(_):
    def counted(name, data):
        return Call(name, data, struct.pack("<256Q", *map(collections.Counter(data).__getitem__, range(256))))

    return Cases([counted("openmp.work", text_of(5000)), counted("openmp.wide", text_of(50000)),
                  counted("openmp.wide", b"")],
                 lambda: [counted("openmp.wide", text_of(4 * MIB))], ("openmp.long", text_of(100000)))


def tbb(_):
    def ordered(data):
        return Call("tbb.work", data, bytes(sorted(data)))

    return Cases([ordered(text_of(500)), ordered(text_of(50000)),
                  typed("tbb.sum", text_of(50000), sum(text_of(50000)))],
                 lambda: [ordered(text_of(4 * MIB))], ("tbb.long", b""))


def own_runtime(name):
    def counted(words):
        found = [{"text": word, "times": times} for word, times in sorted(collections.Counter(words).items())]
        return typed(f"{name}.work", " ".join(words), found)

    def thrown(i):
        return typed(f"{name}.thrown", {"text": f"error {i}, long enough to be on the heap", "times": 2},
                     f"error {i}, long enough to be on the heap")

    return Cases([counted("to be or not to be".split()), *(thrown(i) for i in range(5)),
                  Call(f"{name}.fails", cbor2.dumps("no"), (EXCEPTION, "no"))],
                 lambda: [counted(text_of(3 * MIB).decode().split())], (f"{name}.long", b""))


def libcxx(_):
    return own_runtime("libcxx")


def static_cxx(_):
    return own_runtime("static_cxx")


def cases(name, server):
    return globals()["xml_" if name == "xml" else name](server)
