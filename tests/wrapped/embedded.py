# SPDX-License-Identifier: Apache-2.0
"""embedded.py MODULE FILE DIRECTORY STEP…: an application that opens the library as ctypes does, with RTLD_LOCAL, so
that it shares no C++ runtime with the module. It loads the module, calls it, takes the steps, and exits."""

import ctypes
import os
import sys
import tempfile
import threading
import time

from cases import cases
from client import Server
from table import GONE, TABLE

PINNED = 38
LIMIT = 30  # seconds that threads may spin


class Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]


class View(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def read(self):
        return ctypes.string_at(self.data, self.size) if self.size else b""


class Result(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("status", ctypes.c_int32), ("payload", View), ("message", View),
                ("detail", View), ("owner", ctypes.c_void_p)]

    def __init__(self):
        super().__init__(ctypes.sizeof(Result))


class Load(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("path", ctypes.c_char_p),
                ("config", Bytes)]  # the first version of the struct


class Context(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64)]


def expect(condition, what):
    if not condition:
        sys.exit(f"expected {what}")


class Application:
    def __init__(self, name, file):
        self.name = name
        self.library = ctypes.CDLL(os.environ["BACKPLANE_LIBRARY"])
        self.library.bp_host_context.restype = Context
        self.context = self.created()
        result = Result()
        load = Load(ctypes.sizeof(Load), 0, file.encode())
        status = self.library.bp_module_load(self.context, ctypes.byref(load), ctypes.byref(result))
        expect(status == 0, f"that it loads; found {status}, {result.message.read()}")
        self.library.bp_result_free(ctypes.byref(result))

    def created(self):
        context, result = Context(), Result()
        status = self.library.bp_context_create(None, ctypes.byref(context), ctypes.byref(result))
        expect(status == 0, f"a context; found {status}, {result.message.read()}")
        return context

    def contexts(self, calls):
        """Three more contexts, each with an instance of the module, one after another under load."""
        more = [self.created() for _ in range(3)]
        for each in more:
            self.threads(calls, each)
        for each in more:
            expect(self.library.bp_context_destroy(each) == 0, "that the context ends")

    def call(self, call, context=None):
        result = Result()
        status = self.library.bp_call_sync(context or self.context, Bytes(call.name.encode(), len(call.name)),
                                           Bytes(call.payload, len(call.payload)), ctypes.c_uint64(0),
                                           ctypes.byref(result))
        found = status, result.payload.read(), result.message.read().decode()
        self.library.bp_result_free(ctypes.byref(result))
        expect(call.is_right(*found), f"{str(call.expected)[:300]} of {call.name}; found {str(found)[:300]}")

    def destroy(self):
        status = self.library.bp_context_destroy(self.context)
        expect(status == 0, f"that the context ends; found {status}")
        self.context = self.library.bp_host_context()

    def unload(self):
        row = TABLE[self.name]
        deadline = time.monotonic() + LIMIT
        while True:
            result = Result()
            status = self.library.bp_module_unload(self.context, Bytes(self.name.encode(), len(self.name)),
                                                   ctypes.c_uint32(0), ctypes.byref(result))
            message, detail = result.message.read(), result.detail.read()
            self.library.bp_result_free(ctypes.byref(result))
            if not (row.spins and b"ran all the time" in detail and time.monotonic() < deadline):
                break
        expect(status == (0 if row.outcome == GONE else PINNED), f"{row.outcome}; found {status}, {message}, {detail}")

    def threads(self, calls, context=None):
        """Calls of many threads at once."""
        failed = []

        def run(number):
            try:
                for i in range(20):
                    self.call(calls[(number + i) % len(calls)], context)
            except SystemExit as error:
                failed.append(error.code)

        running = [threading.Thread(target=run, args=(i,)) for i in range(8)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        expect(not failed, failed[:1])


def main():
    name, file, directory, *steps = sys.argv[1:]
    server = Server(tempfile.mkdtemp(dir=directory))
    small = cases(name, server).small
    application = Application(name, file)
    for call in small:
        application.call(call)
    for step in steps:
        if step in ("threads", "contexts"):
            getattr(application, step)(small)
        elif step != "exit":
            getattr(application, step)()
    server.close()
    print("done")


if __name__ == "__main__":
    main()
