# SPDX-License-Identifier: Apache-2.0
"""What is expected of the module around each library."""

import dataclasses

GONE, PINNED = "gone", "pinned"


@dataclasses.dataclass
class Row:
    library: str
    outcome: str = GONE  # of an unload
    reasons: tuple = ()  # kinds, if it is pinned
    second: str = ""  # what the refusal of a second generation says; empty: it is taken
    spins: bool = False  # its threads look for work for a moment after each use, and an unload may have to wait for them
    growth_kib: int = 1536  # of memory, from the 20th cycle of load and unload to the 100th


TABLE = {
    "magic": Row("libmagic"),
    "zstd": Row("zstd"),
    "xml": Row("libxml2"),
    "tls": Row("OpenSSL"),
    "fts": Row("SQLite with FTS5"),
    "curl": Row("libcurl"),
    "lua": Row("Lua"),
    "python": Row("CPython"),
    "uv": Row("libuv"),
    "glib": Row("GLib"),
    "jpeg": Row("libjpeg"),
    "icu": Row("ICU"),
    "proto_lite": Row("protobuf, lite runtime"),
    "proto_full": Row("protobuf, full runtime", PINNED, ("unload_never",), second="trial"),
    "openmp": Row("libgomp"),
    "tbb": Row("oneTBB", spins=True),
    "libcxx": Row("clang and libc++"),
    "static_cxx": Row("static libstdc++"),
}
