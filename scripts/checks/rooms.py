# SPDX-License-Identifier: Apache-2.0
"""Which room of host/ may include which, and which public headers each part may see.

The arrows follow the way of a request (docs/design.md): a room knows the rooms that serve it, and
none that it serves. What flows back does so through a callback or an interface that the lower room
declares. There are no cycles.
"""

# What every room may include, besides itself: plain tools that know nothing of the host.
EVERYWHERE = ["support", "sync"]

# Room: the other rooms it may include from.
ROOMS = {
    # Threads meeting: fences, spinning and sleeping, locks, queues between threads, records of threads.
    "sync": [],
    # Views, names, results, the log, descriptors, histograms.
    "support": [],
    # The frames of the socket protocol, and where the socket is.
    "wire": [],
    # Records that are never freed, and the tokens that name them.
    "slab": [],
    # What a bp_context leads to: the interface, and the table of handles.
    "endpoint": [],
    # Many producers, one consumer. Knows nothing of what it carries.
    "ingress": [],
    # Stackful threads of control. Know nothing of requests.
    "fiber": [],
    # Payloads, buffers, and the answers made of them.
    "reply": [],
    # Files, manifests, generations, the registry of names.
    "modules": [],
    # Heartbeats in, episodes out; it names the module and the wire name that runs.
    "watchdog": ["modules"],
    # Listeners, the bounded queue to them, and the thread that runs them, which the watchdog watches.
    "event": ["watchdog"],
    # The request thread of a context: one call's way from ingress through a handler to its reply.
    "request": ["slab", "ingress", "fiber", "reply", "event", "watchdog", "modules"],
    # The functions that modules get: the core, and one file for each header of abi/include/backplane/ext.
    "extensions": ["request", "fiber", "reply", "modules"],
    # One runtime instance: owns one of each of the rooms above, and their threads.
    "context": ["extensions", "endpoint", "ingress", "request", "fiber", "reply", "event", "watchdog", "modules"],
    # The other kind of endpoint: a connection to a running host.
    "remote": ["endpoint", "wire"],
    # The C functions: check handles, find the endpoint, turn failures into results. Buffers and answers
    # are of the reply room, and the C functions that make and free them say no more than it does.
    "embed": ["context", "endpoint", "remote", "modules", "reply", "wire"],
    # The socket server and the command line are applications: they see the public header, and of the
    # host only plain tools.
    "server": ["wire"],
    "cli": ["server", "wire"],
}

# Part of the tree: the public headers it may include, as patterns of what stands in <backplane/…>.
# The first that fits a file's path counts.
PUBLIC = [
    ("abi/", ["*.h", "ext/*.h", "ext/draft/*.h"]),
    # A module sees what is made for modules, so that it runs on any host.
    ("plugins/hello_c/", ["plugin.h", "base.h", "ext/*.h"]),
    ("plugins/", ["plugin.h", "base.h", "ext/*.h", "ext/draft/*.h", "*.hpp", "cbor/*.hpp"]),
    ("plugin_sdk/", ["plugin.h", "base.h", "ext/*.h", "ext/draft/*.h", "*.hpp", "cbor/*.hpp"]),
    # Applications: what they can do, any application can.
    ("host/server/", ["backplane.h", "base.h", "cbor/*.hpp"]),
    ("host/cli/", ["backplane.h", "base.h", "cbor/*.hpp"]),
    # The host shares the SDK's CBOR reader and writer, and nothing else of it.
    ("host/", ["*.h", "ext/*.h", "ext/draft/*.h", "cbor/*.hpp"]),
]
