# SPDX-License-Identifier: Apache-2.0
"""Which room of host/ may include which other rooms, and which public headers each part may include.

The arrows follow a request (docs/design.md): a room may include the rooms that it uses, but not the rooms that use it.
Data flows back through a callback or an interface that the lower room declares. There are no cycles.
"""

# Every room may include these: plain tools that do not depend on the host.
EVERYWHERE = ["support", "sync"]

# Room: the other rooms it may include from.
ROOMS = {
    # Synchronisation of threads: fences, spinning and sleeping, locks, queues between threads, records of threads.
    "sync": [],
    # Views, names, results, the log, descriptors, histograms.
    "support": [],
    # The budget of memory, and its return to the system.
    "memory": [],
    # The frames of the socket protocol, and the path of the socket.
    "wire": [],
    # Records whose memory is never freed, and their tokens.
    "slab": ["memory"],
    # The interface behind a bp_context handle, and the table of handles.
    "endpoint": [],
    # Queues with many producers and one consumer. Independent of their contents.
    "ingress": ["memory"],
    # Stackful threads of control. Independent of requests.
    "fiber": ["memory"],
    # Payloads, buffers, and answers.
    "reply": ["memory"],
    # Parses CDDL, and compares CBOR with it. Plain tools, without state of the host.
    "cddl": [],
    # Files, manifests, generations, the registry of names.
    "modules": ["cddl"],
    # Reads heartbeats of threads, and reports stalls with the module and wire name that runs.
    "watchdog": ["modules"],
    # The log of events, the listeners, and the threads that call them. The watchdog watches this thread.
    "event": ["memory", "watchdog"],
    # The request thread of a context: takes a call from the ingress, runs its handler, and delivers the reply.
    "request": ["memory", "slab", "ingress", "fiber", "reply", "event", "watchdog", "modules"],
    # The functions that modules get: the core, and one file for each header of abi/include/backplane/ext.
    "extensions": ["request", "fiber", "reply", "modules"],
    # One context: owns the parts from the rooms above, and their threads. The host that all contexts share.
    "context": ["memory", "extensions", "endpoint", "ingress", "request", "fiber", "reply", "event", "watchdog", "modules"],
    # The other kind of endpoint: a connection to a running host.
    "remote": ["endpoint", "wire"],
    # The C functions: check handles, find the endpoint, and turn failures into results. The functions for buffers only
    # call the reply room.
    "embed": ["memory", "context", "endpoint", "remote", "modules", "reply", "wire"],
    # The socket server and the command line are applications: they include the public header, and of the host only plain
    # tools. The server's serving.cpp is in libbackplane.so, for bp_context_serve; it uses the public header as well.
    "server": ["wire"],
    "cli": ["server", "wire", "cddl"],
    # The program that loads a module first, in a process of its own. It uses the header for modules alone.
    "trial": [],
}

# Part of the tree: the public headers that it may include, as patterns of the name in <backplane/…>. The first part that
# matches a file's path counts.
PUBLIC = [
    ("abi/", ["*.h", "ext/*.h", "ext/draft/*.h"]),
    # A module includes only headers for modules, so that it runs on any host.
    ("plugins/hello_c/", ["plugin.h", "base.h", "cbor.h", "ext/*.h"]),
    ("plugins/", ["plugin.h", "base.h", "cbor.h", "ext/*.h", "ext/draft/*.h", "*.hpp", "cbor/*.hpp"]),
    ("plugin_sdk/", ["plugin.h", "base.h", "ext/*.h", "ext/draft/*.h", "*.hpp", "cbor/*.hpp"]),
    # What applications use: the functions of the host, and of the SDK only its codec.
    ("clients/c/", ["backplane.h", "cbor.h", "interfaces.h", "providing.h"]),
    ("clients/cpp/", ["backplane.h", "base.h", "interfaces.h", "providing.h", "sdk/cbor.hpp"]),
    # These are applications like any other, so they use only the public functions.
    ("host/server/", ["backplane.h", "base.h", "interfaces.h", "providing.h", "cbor/*.hpp"]),
    ("host/cli/", ["backplane.h", "base.h", "interfaces.h", "providing.h", "cbor/*.hpp"]),
    ("host/trial/", ["plugin.h", "base.h"]),
    # The host uses the SDK's CBOR reader and writer, and nothing else of the SDK.
    ("host/", ["*.h", "ext/*.h", "ext/draft/*.h", "cbor/*.hpp"]),
]
