# SPDX-License-Identifier: Apache-2.0
"""Clients that hold much memory of a host with a small memory_limit, beside an innocent one.

Before there was a limit, 100 clients with 60 MiB of an unfinished frame each took 6.6 GB.
"""

import json
import os
import pathlib
import socket
import struct
import threading
import time
import unittest

from harness import Case, memory_of

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
LIMIT = 512 << 20
MARGIN = 128 << 20  # bytes that are not counted: code, threads, the library's own tables
HELLO = bytes([0x86, 1, 0x69]) + b"backplane" + bytes([1, 0x61]) + b"0" + bytes([0, 0x1a, 4, 0, 0, 0])
CHUNK = bytes(1 << 20)


def frame(body):
    return struct.pack(">I", len(body)) + body


def call_head(number, name, size):
    """The beginning of a call frame with a payload of `size` bytes; the payload and two items of one byte follow."""
    body = bytes([0x86, 2, 0x1a]) + struct.pack(">I", number) + bytes([0x60 + len(name)]) + name.encode()
    body += bytes([0x5a]) + struct.pack(">I", size)
    return struct.pack(">I", len(body) + size + 2) + body


class Peer:
    """A client that speaks the protocol by hand."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.socket.sendall(frame(HELLO))
        self.read_frame()

    def read_exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read_frame(self):
        return self.read_exactly(struct.unpack(">I", self.read_exactly(4))[0])

    def hold(self, announced, sent):
        """Begins a frame, and leaves it unfinished. Returns the message of the host's error frame, or None."""
        try:
            self.socket.sendall(call_head(1, "echo.raw", announced))
            for _ in range(0, sent, len(CHUNK)):
                self.socket.sendall(CHUNK)
            return None
        except (BrokenPipeError, ConnectionResetError):
            body = self.read_frame()
            return body.decode(errors="replace")

    def close(self):
        self.socket.close()


class MemoryFlow(Case):
    def start(self, text=f"memory_limit = {LIMIT}\n"):
        config = self.write("host.toml", text)
        self.process = self.host("--config", config, modules=(PLUGINS / "timer.so", PLUGINS / "echo.so"))

    def peers(self, count):
        peers = [Peer(self.socket) for _ in range(count)]
        for peer in peers:
            self.addCleanup(peer.close)
        return peers

    def memory(self):
        return self.bp_json("status")["memory"]

    def assert_goes_back(self, before):
        """Within some seconds, although no one calls meanwhile."""
        end = time.monotonic() + 30
        while memory_of(self.process.pid) > before + (24 << 20):
            self.assertLess(time.monotonic(), end, f"{memory_of(self.process.pid) >> 20} MiB, {before >> 20} before")
            time.sleep(0.1)

    def test_unfinished_frames_of_many_clients_stay_within_the_limit_and_go_back(self):
        self.start()
        before = memory_of(self.process.pid)
        innocent = {}

        def be_innocent():
            innocent.update(self.bp_json("bench", "echo.raw", "--payload", "x" * 500, "--raw", "--seconds", "3"))

        other = threading.Thread(target=be_innocent)
        other.start()
        refused = []

        def be_greedy(peer):
            error = peer.hold(60 << 20, 40 << 20)
            if error is not None:
                refused.append(error)

        peers = self.peers(100)
        greedy = [threading.Thread(target=be_greedy, args=(peer,)) for peer in peers]
        for thread in greedy:
            thread.start()
        for thread in greedy:
            thread.join()
        memory = self.memory()
        self.bp("ls")
        self.bp("call", "echo.raw", "--raw", "-", stdin=b"y" * 2000)
        self.assertEqual(memory["limit"], LIMIT)
        self.assertLessEqual(memory["peak"], LIMIT)
        self.assertGreater(memory["used"], LIMIT // 2)
        self.assertGreater(memory["refused"], 0)
        self.assertGreater(len(refused), 50)
        for error in refused:
            self.assertIn(f"memory limit of the host: {LIMIT} bytes (memory_limit)", error)
        other.join()
        self.assertEqual(innocent["errors"], 0, innocent)
        self.assertGreater(innocent["calls"], 100)
        self.assertLess(memory_of(self.process.pid, "VmHWM:"), LIMIT + MARGIN)
        for peer in peers:
            peer.close()
        self.assert_goes_back(before)
        self.bp("stop")
        self.assert_ends(self.process, 0)

    def test_a_connection_holds_at_most_its_share(self):
        self.start(f"memory_limit = {LIMIT}\nconnection_memory = {16 << 20}\n")
        peer, = self.peers(1)
        error = peer.hold(60 << 20, 40 << 20)
        self.assertIsNotNone(error)
        self.assertIn(f"a frame of {(60 << 20) + 23} bytes; expected at most {8 << 20}", error)
        error = self.refused(1, "call", "echo.raw", "--raw", "-", stdin=bytes(10 << 20))
        self.assertIn("more than the host accepts in one call", error)
        self.bp("call", "echo.raw", "--raw", "-", stdin=bytes(3 << 20))

    def test_limits_out_of_bounds_are_refused(self):
        for text, expected in (("memory_limit = 67108863", "found 67108863, expected bytes, an integer from 67108864"),
                               ("connection_memory = 9", "found 9, expected bytes, an integer from 1048576"),
                               ('memory_limit = "1GiB"', "found a string, expected bytes, an integer from 67108864")):
            self.assertIn(expected, self.refused(2, "run", "--check-config", "--config", self.write("host.toml", text)))

    def test_the_status_shows_the_limit_in_words(self):
        self.start()
        self.assertRegex(self.bp("status")[0], r"memory +\d+ KiB of 512\.0 MiB, peak \d+ KiB; resident \d+")

    def test_open_calls_that_fill_the_limit_are_refused_and_their_memory_goes_back(self):
        self.start(f"memory_limit = {64 << 20}\n")
        before = memory_of(self.process.pid)
        # All are sent before the first ends. The refusals fit into the sockets, so that a slow reader is not closed.
        payload = json.dumps({"message": "x" * 100, "delay_ms": 6000})
        out, err = self.bp("bench", "timer.echo", "--payload", payload, "-c", "2", "-P", "6000", "-n", "12000", "--json",
                           code=1)
        report = json.loads(out)
        self.assertIn(f"memory limit of the host: {64 << 20} bytes (memory_limit)", err)
        memory = self.memory()
        self.assertEqual(report["calls"], 12000)
        self.assertEqual(report["open"], 0)
        self.assertLess(report["errors"], 11000)
        self.assertGreater(memory["refused"], 0)
        self.assertLessEqual(memory["peak"], 64 << 20)
        self.assert_goes_back(before)
        self.assertEqual(self.bp("call", "timer.echo", '{"message": "still", "delay_ms": 0}')[0].strip(),
                         '{"echoed":"still","timer_name":"timer"}')

    def test_the_memory_of_a_burst_goes_back(self):
        # 100000 records of 376 bytes and payloads of 500; only a part of the memory goes back by itself.
        self.start("calls_per_connection = 100000\n")
        before = memory_of(self.process.pid)
        payload = json.dumps({"message": "x" * 500, "delay_ms": 3000})
        report = self.bp_json("bench", "timer.echo", "--payload", payload, "-c", "2", "-P", "50000", "-n", "100000")
        self.assertEqual((report["calls"], report["errors"]), (100000, 0))
        self.assertGreater(memory_of(self.process.pid, "VmHWM:"), before + (256 << 20))
        self.assert_goes_back(before)
        used = self.memory()["used"]
        self.assertLess(used, 24 << 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
