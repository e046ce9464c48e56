# SPDX-License-Identifier: Apache-2.0
"""One end of a connection for the conformance checks: sends and takes frames, and judges what it takes."""

import os
import select
import socket
import tempfile
import time

import wire

BOUND = 20.0  # seconds that anything may take


class Failed(Exception):
    """The other side does not do what docs/protocol.md says."""


def expect(truth, what):
    if not truth:
        raise Failed(what)


class Peer:
    """A connected socket. Each frame that it takes must be well-formed, and of a kind that its sender may send."""

    def __init__(self, sock, may_come):
        self.socket = sock
        self.socket.settimeout(BOUND)
        self.data = b""
        self.may_come = may_come

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what comes next tells

    def send(self, frame, /, **values):
        self.send_bytes(wire.write(frame, **values))

    def items(self, *items):
        self.send_bytes(wire.frame(list(items)))

    def next(self, bound=BOUND):
        """The next frame; None at the end of the stream. Raises Failed if nothing comes, or if it must not come."""
        until = time.monotonic() + bound
        while True:
            if len(self.data) >= 4:
                end = 4 + int.from_bytes(self.data[:4], "big")
                expect(end <= 4 + wire.DEFAULT_MAX_FRAME, f"a frame of {end - 4} bytes")
                if len(self.data) >= end:
                    body, self.data = self.data[4:end], self.data[end:]
                    try:
                        frame = wire.read(body)
                    except wire.Malformed as error:
                        raise Failed(f"a malformed frame, {error}: {body[:200].hex()}") from error
                    expect(frame["frame"] in self.may_come, f"a {frame['frame']} frame, which this side never sends")
                    return frame
            left = until - time.monotonic()
            expect(left > 0 and select.select([self.socket], [], [], left)[0], f"nothing within {bound} s; expected a frame")
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.data += more

    def take(self, name, bound=BOUND):
        """The next frame, which must be of this kind."""
        frame = self.next(bound)
        expect(frame is not None, f"the end of the connection; expected a {name} frame")
        expect(frame["frame"] == name, f"{frame}; expected a {name} frame")
        return frame

    def quiet(self, bound=0.2):
        """Nothing comes for so long."""
        ready = self.data or select.select([self.socket], [], [], bound)[0]
        expect(not ready, "a frame, or the end of the connection; expected nothing")

    def ends(self, with_error=True):
        """An error frame comes, if it is to come, and then the end of the connection."""
        frame = self.next()
        if with_error:
            expect(frame is not None and frame["frame"] == "error", f"{frame}; expected an error frame")
            frame = self.next()
        while frame is not None and frame["frame"] == "error":
            frame = self.next()
        expect(frame is None, f"{frame}; expected the end of the connection")


FROM_HOST = ("hello", "reply", "credit", "event", "error", "ask", "unask")
FROM_APPLICATION = tuple(name for name in wire.FRAMES if name not in ("reply", "event", "ask", "unask"))


def hello_values(**more):
    return {"protocol": 1, "version": "0.1.0", "pid": os.getpid(), "max_frame": wire.DEFAULT_MAX_FRAME,
            "oldest_protocol": 1, **more}


class Listener:
    """A socket on which the checks play a host."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="backplane-conform.")
        self.path = os.path.join(self.folder.name, "host.sock")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(16)
        self.socket.settimeout(BOUND)

    def accept(self):
        return Peer(self.socket.accept()[0], FROM_APPLICATION)

    def close(self):
        self.socket.close()
        self.folder.cleanup()
