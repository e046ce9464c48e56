# SPDX-License-Identifier: Apache-2.0
"""A connection that makes calls and module operations, callers that check their answers, and a server of pages."""

import http.server
import os
import socketserver
import threading
import time

import cbor2

from cases import MIB, text_of
from raw_client import CALL, REPLY, UNLOAD, RawClient

CANCEL, LOAD, RELOAD = 3, 7, 9
NO_STALE = 1  # a flag of a call
OK, UNKNOWN_NAME, CANCELED, MODULE_GONE, LOAD_REFUSED, PINNED = 0, 18, 25, 27, 35, 38
OPERATION_MS = 30000
PATIENCE = 30  # seconds that a call may take


class Client(RawClient):
    def __init__(self, path):
        super().__init__(path)
        self.last = 0
        self.ended = {}  # answers that came before somebody waited for them

    def ask(self, kind, *items):
        self.last += 1
        self.send([kind, self.last, *items])
        return self.last

    def wait(self, number):
        """The status, payload, message and detail of the answer."""
        while number not in self.ended:
            frame = self.read()
            if frame is None or frame[0] != REPLY:
                raise ConnectionError(f"the host has ended the connection; its last frame: {frame}")
            self.ended[frame[1]] = frame[2:6]
        return self.ended.pop(number)

    def begin(self, name, payload):
        return self.ask(CALL, name, payload, 0, NO_STALE)

    def answer(self, name, payload):
        return self.wait(self.begin(name, payload))

    def cancel(self, number):
        self.send([CANCEL, number])

    def check(self, call, also=()):
        """Makes the call; its answer must be right, or have one of the statuses `also`."""
        status, payload, message, _ = self.answer(call.name, call.payload)
        if status not in also and not call.is_right(status, payload, message):
            shown = payload if len(payload) < 200 else payload[:200] + b"..."
            raise AssertionError(f"{call.name} {call.payload[:100]!r}: found status {status}, {message!r}, {shown!r}; "
                                 f"expected {str(call.expected)[:300]}")

    def load(self, path):
        status, _, message, _ = self.wait(self.ask(LOAD, str(path).encode(), b""))
        if status != OK:
            raise AssertionError(f"load: status {status}: {message}")

    def unload(self, name):
        """The unload-report."""
        status, payload, message, detail = self.wait(self.ask(UNLOAD, name, OPERATION_MS))
        if status not in (OK, PINNED):
            raise AssertionError(f"unload: status {status}: {message}")
        return cbor2.loads(payload if status == OK else detail)

    def reload(self, name):
        """The status, the message, and the unload-report of the old generation."""
        status, payload, message, _ = self.wait(self.ask(RELOAD, name, b"", b"", OPERATION_MS))
        return status, message, cbor2.loads(payload)["old"] if status == OK else None


class Callers:
    """Threads that make calls, each on a connection of its own, until they are stopped or an answer is wrong."""

    def __init__(self, path, calls, count, also=()):
        self.calls, self.also = calls, also
        self.made = [0] * count
        self.failed = []
        self.ends = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(Client(path), i), daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, client, number):
        try:
            while not self.ends.is_set() and not self.failed:
                client.check(self.calls[(number + self.made[number]) % len(self.calls)], self.also)
                self.made[number] += 1
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(error)
        client.close()

    def go_on(self):
        """Waits until each has made a call since this began."""
        before = list(self.made)
        deadline = time.monotonic() + PATIENCE
        while not self.failed and not all(now > then for now, then in zip(self.made, before)):
            if time.monotonic() > deadline:
                raise AssertionError(f"somebody gets no answers: {before}, and now {self.made}")
            time.sleep(0.001)
        if self.failed:
            raise self.failed[0]

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        if self.failed:
            raise self.failed[0]


class Server:
    """Pages on a Unix socket, for the module of curl: /bytes/N at once, /slow not within a minute."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "http.sock")
        ends = self.ends = threading.Event()
        page = self.page

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/slow":
                    ends.wait(60)
                body = page(self.path[1:])
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

        class Serving(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 100

            def handle_error(self, *_):
                pass

        self.server = Serving(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @staticmethod
    def page(path):
        kind, _, size = path.partition("/")
        return text_of(int(size)) if kind == "bytes" and int(size) <= 64 * MIB else None

    def close(self):
        self.ends.set()
        self.server.shutdown()
        self.server.server_close()
