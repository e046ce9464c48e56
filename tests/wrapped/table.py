# SPDX-License-Identifier: Apache-2.0
"""What is expected of the module around each library."""

import dataclasses

GONE, PINNED = "gone", "pinned"


@dataclasses.dataclass
class Row:
    library: str  # as in docs/libraries.md
    outcome: str = GONE  # of an unload
    reasons: tuple = ()  # kinds, if it is pinned
    second: str = ""  # what the refusal of a second generation says; empty: it is taken
    spins: bool = False  # its threads look for work for a moment after each use: an unload may have to be asked again
    cycles: int = 100  # of load and unload
    growth_kib: int = 1536  # of memory, from a fifth of the cycles to the last


TABLE = {
    "magic": Row("libmagic"),
    "zstd": Row("zstd"),
    "xml": Row("libxml2"),
    "tls": Row("OpenSSL"),
    "fts": Row("SQLite"),
    "curl": Row("libcurl"),
    "lua": Row("Lua"),
    "python": Row("CPython"),
    "uv": Row("libuv"),
    "glib": Row("GLib"),
    "gobject": Row("GObject", PINNED, ("unload_never",), cycles=40, growth_kib=4096),
    "jpeg": Row("libjpeg"),
    "icu": Row("ICU"),
    "proto_lite": Row("protobuf with the lite runtime"),
    "proto_full": Row("protobuf with the full runtime", PINNED, ("unload_never",),
                      second="trial load.*File already exists in database.*use the lite runtime"),
    "openmp": Row("OpenMP"),
    "tbb": Row("oneTBB", spins=True, cycles=40),
    "libcxx": Row("libc++"),
    "static_cxx": Row("static libstdc++"),
}
