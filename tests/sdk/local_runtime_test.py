# SPDX-License-Identifier: Apache-2.0
"""A module with libc++ in a process whose C++ runtime is private to the host: Python opens libraries RTLD_LOCAL.

There the module has the runtime of libc++ for itself. A program in C++ has libstdc++ in its global scope, and shares it.
"""
import ctypes
import os
import subprocess
import sys
import threading
import unittest

LIBRARY, MODULE = os.environ["BACKPLANE_LIBRARY"], os.environ["BACKPLANE_LIBCXX_MODULE"]


class View(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Context(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint64)]


class Load(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("path", ctypes.c_char_p), ("config", View),
                ("stack_size", ctypes.c_uint64), ("workers", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class Result(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("status", ctypes.c_int32), ("payload", View), ("message", View),
                ("detail", View), ("owner", ctypes.c_void_p)]

    def text(self, view):
        return ctypes.string_at(view.data, view.size).decode() if view.size else ""


def view(text):
    data = ctypes.create_string_buffer(text.encode())
    seen = View(ctypes.addressof(data), len(data) - 1)
    seen.owner = data
    return seen


class LocalRuntime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.library = ctypes.CDLL(LIBRARY)  # RTLD_LOCAL
        cls.context = Context()
        if cls.library.bp_context_create(None, ctypes.byref(cls.context), None) != 0:
            raise RuntimeError("no context")
        load = Load(ctypes.sizeof(Load), 0, MODULE.encode())
        loaded = Result(ctypes.sizeof(Result))
        if cls.library.bp_module_load(cls.context, ctypes.byref(load), ctypes.byref(loaded)) != 0:
            raise RuntimeError(loaded.text(loaded.message))

    @classmethod
    def tearDownClass(cls):
        cls.library.bp_context_destroy(cls.context)

    def call(self, verb, payload=""):
        result = Result(ctypes.sizeof(Result))
        self.library.bp_call_sync(self.context, view("catches_libcxx." + verb), view(payload), ctypes.c_uint64(20_000),
                                  ctypes.byref(result))
        answer = result.text(result.payload) or result.text(result.message)
        self.library.bp_result_free(ctypes.byref(result))
        return answer

    def test_the_module_has_a_runtime_of_its_own(self):
        needed = subprocess.run(["readelf", "-dW", MODULE], capture_output=True, text=True, check=True).stdout
        self.assertIn("[libc++.so.1]", needed)

    def test_handlers_that_wait_in_catch_blocks_keep_to_their_own_exceptions(self):
        answers = []
        threads = [threading.Thread(target=lambda n=n: answers.append(self.call("naps", str(n)))) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, ["ok"] * 8)

    def test_fibers_that_switch_in_catch_blocks_do_too(self):
        self.assertEqual(self.call("weaves"), "a0 b0 a1 b1 b2 main none")
        self.assertEqual(self.call("generates"), "main 0, body 0, main 1, body 1, main 2, body 2, main 3, none")


if __name__ == "__main__":
    unittest.main(verbosity=2)
