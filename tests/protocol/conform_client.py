# SPDX-License-Identifier: Apache-2.0
"""Checks of a client, by a host that is only as the protocol says. The client is a driver program; see README.md."""

import json
import os
import pathlib
import select
import subprocess
import time

import wire
from peer import BOUND, Failed, Listener, expect, hello_values

VECTORS = pathlib.Path(__file__).resolve().parent / "vectors"
OK, STALE, PARTIAL, UNREACHABLE, PROTOCOL = 0, 3, 4, 41, 42
FEATURES = ["credit", "parts", "lossless", "operations", "provide", "expect"]


class Driver:
    """The client's program: lines of JSON in both directions."""

    def __init__(self, command, path):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, "BACKPLANE_SOCKET": path})
        self.data = b""

    def do(self, what, **values):
        try:
            self.process.stdin.write(json.dumps({"do": what, **values}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise Failed("the driver has ended") from error

    def line(self, bound=BOUND):
        until = time.monotonic() + bound
        while b"\n" not in self.data:
            left = until - time.monotonic()
            ready = left > 0 and select.select([self.process.stdout], [], [], left)[0]
            expect(ready, f"no line of the driver within {bound} s")
            more = os.read(self.process.stdout.fileno(), 65536)
            expect(more, "the end of the driver")
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return json.loads(line)

    def says(self, **values):
        """The next line has these members."""
        line = self.line()
        for key, value in values.items():
            expect(line.get(key) == value, f"{line}; expected {key} to be {value!r}")
        return line

    def quiet(self, bound=0.3):
        ready = self.data or select.select([self.process.stdout], [], [], bound)[0]
        expect(not ready, "a line of the driver; expected nothing")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def is_own(pattern):
    """Whether the client listens for itself: to events of the host, which no check tells the driver to listen to."""
    return pattern.startswith("backplane.")


class Session:
    """A client and the host that it is connected to."""

    def __init__(self, command, connect=True, **hello):
        self.listener = Listener()
        self.driver = Driver(command, self.listener.path)
        self.host = None
        if connect:
            self.driver.do("connect")
            self.host = self.listener.accept()
            self.hello = self.host.take("hello")
            self.host.send("hello", **hello_values(**{"features": FEATURES, **hello}))
            self.driver.says(connected=True)

    def take(self, name, bound=BOUND):
        """The next frame, which must be of this kind. What the client listens to for itself is answered, at any time."""
        while (frame := self.host.next(bound)) is not None and frame["frame"] == "listen" and is_own(frame["pattern"]):
            self.reply(frame["id"])
        expect(frame is not None, f"the end of the connection; expected a {name} frame")
        expect(frame["frame"] == name, f"{frame}; expected a {name} frame")
        return frame

    def call(self, tag, payload=b"", name="echo.raw", **more):
        self.driver.do("call", tag=tag, name=name, payload=payload.hex(), **more)
        frame = self.take("call")
        expect(frame["payload"] == payload, f"{frame}; expected the payload {payload!r}")
        return frame

    def reply(self, number, status=OK, payload=b"", message="", detail=b""):
        self.host.send("reply", id=number, status=status, payload=payload, message=message, detail=detail)

    def still_works(self):
        frame = self.call("alive", b"alive")
        self.reply(frame["id"], payload=b"alive")
        self.driver.says(tag="alive", status=OK, payload=b"alive".hex())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.host is not None:
            self.host.close()
        self.driver.close()
        self.listener.close()


def the_hello_of_a_client(command):
    with Session(command) as session:
        hello = session.hello
        expect(hello["protocol"] >= 1 and hello["oldest-protocol"] <= 1, f"{hello}; expected version 1")
        expect(len(wire.write("hello", **{key.replace("-", "_"): value for key, value in hello.items()})) <= 1028,
               "a hello of more than 1024 bytes")
        session.still_works()


def hosts_of_other_versions(command):
    with Session(command, protocol=7, version="7.0.0", features=["x", *FEATURES]) as session:
        session.still_works()
    for first in (wire.write("hello", **{**hello_values(), "protocol": 9, "oldest_protocol": 9}),
                  wire.write("error", status=21, message="too many connections"), wire.frame([2, 1, "a.b", b"", 0, 0]),
                  wire.frame([1, "other", 1, "0", 1, 4096]), b""):
        with Session(command, connect=False) as session:
            session.driver.do("connect")
            session.host = session.listener.accept()
            session.host.take("hello")
            session.host.send_bytes(first)
            session.host.close()
            session.driver.says(connected=False)


def answers_and_their_order(command):
    with Session(command) as session:
        numbers = [session.call(str(i), bytes([i]), timeout_ms=60000)["id"] for i in range(5)]
        expect(len(set(numbers)) == 5, f"{numbers}; expected ids that differ")
        for at in (3, 0, 4, 1, 2):
            session.reply(numbers[at], payload=bytes([at]))
            session.driver.says(tag=str(at), status=OK, payload=bytes([at]).hex())
        error = session.call("error")["id"]
        session.reply(error, 1001, b"", "größer 🙂", wire.encode({"a": 1}))
        session.driver.says(tag="error", status=1001, message="größer 🙂", detail=wire.encode({"a": 1}).hex())
        new = session.call("new status")["id"]
        session.reply(new, 999, b"", "", b"")
        session.driver.says(tag="new status", status=999)
        session.reply(numbers[0], payload=b"twice")  # of no call: ignored
        session.reply(1 << 60, payload=b"none")
        session.still_works()
        later = session.call("later")["id"]
        expect(later not in numbers, "an id again; a client should never use one again")


def payloads_of_every_size(command):
    with Session(command) as session:
        for size in (0, 1, 23, 24, 255, 256, 65535, 65536, 1 << 20):
            payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
            number = session.call(str(size), payload)["id"]
            session.reply(number, payload=payload)
            session.driver.says(tag=str(size), status=OK, payload=payload.hex())


def lenient_forms_are_taken(command):
    with Session(command) as session:
        number = session.call("wide")["id"]
        session.host.items(wire.Wide(16), wire.Wide(number), wire.Wide(0), b"wide", wire.Text(""), b"")
        session.driver.says(tag="wide", status=OK, payload=b"wide".hex())
        number = session.call("more")["id"]
        session.host.items(16, number, 0, b"more", "", b"", "new", {"items": [1, None, {"deep": True}]})
        session.driver.says(tag="more", status=OK, payload=b"more".hex())
        number = session.call("pieces")["id"]
        for byte in wire.write("reply", id=number, status=OK, payload=b"pieces", message="", detail=b""):
            session.host.send_bytes(bytes([byte]))
        session.driver.says(tag="pieces", status=OK)
        numbers = [session.call(f"at once {i}")["id"] for i in range(3)]
        session.host.send_bytes(b"".join(wire.write("reply", id=each, status=OK, payload=b"", message="", detail=b"")
                                         for each in numbers))
        for i in range(3):
            session.driver.says(tag=f"at once {i}", status=OK)


def every_fatal_error_ends_the_connection(command):
    errors = json.loads((VECTORS / "errors.json").read_text(encoding="utf-8"))["vectors"]
    wrong = json.loads((VECTORS / "wrong_direction.json").read_text(encoding="utf-8"))["vectors"]
    for each in errors + [each for each in wrong if each["receiver"] == "application"]:
        with Session(command) as session:
            session.call("open")
            session.host.send_bytes(bytes.fromhex(each["bytes"]))
            try:
                session.driver.says(tag="open", status=UNREACHABLE)
                session.driver.quiet(0.05)
            except Failed as error:
                raise Failed(f"{each['name']}: {error}") from error


def the_end_of_a_connection_ends_each_call_once(command):
    with Session(command) as session:
        for i in range(3):
            session.call(str(i))
        session.host.send("error", status=26, message="the host is stopping")
        session.host.close()
        seen = sorted(session.driver.says(status=UNREACHABLE)["tag"] for _ in range(3))
        expect(seen == ["0", "1", "2"], f"{seen}; expected each call once")
        session.driver.quiet()
        session.driver.do("call", tag="late", name="echo.raw", payload="")
        session.driver.says(tag="late", status=UNREACHABLE)


def partial_replies_and_their_credit(command):
    with Session(command) as session:
        frame = session.call("parts", name="generator.count")
        flagged = frame["flags"] & 2
        sizes = []
        for i in range(4):
            payload = bytes([i]) * (100 * i)  # an empty part counts as one byte
            sizes.append(max(len(payload), 1))
            session.reply(frame["id"], PARTIAL, payload)
            session.driver.says(tag="parts", partial=payload.hex())
        if flagged:
            given = 0
            while given < sum(sizes):
                credit = session.take("credit")
                expect(credit["id"] == frame["id"], f"{credit}; expected the call {frame['id']}")
                given += credit["bytes"]
            expect(given == sum(sizes), f"credit for {given} bytes; expected {sum(sizes)}")
        session.reply(frame["id"], payload=b"end")
        session.driver.says(tag="parts", status=OK, payload=b"end".hex())
        session.reply(frame["id"], PARTIAL, b"too late")
        session.still_works()


def cancels_and_deadlines(command):
    with Session(command) as session:
        frame = session.call("canceled")
        session.driver.do("cancel", tag="canceled")
        cancel = session.take("cancel")
        expect(cancel["id"] == frame["id"], f"{cancel}; expected the call {frame['id']}")
        session.reply(frame["id"], 25, b"", "the call was canceled")
        session.driver.says(tag="canceled", status=25)
        frame = session.call("bound", timeout_ms=1500)
        expect(0 < frame["timeout-ms"] <= 1500, f"{frame}; expected its deadline")
        session.reply(frame["id"], 24, b"", "too late")
        session.driver.says(tag="bound", status=24)
        # A host that does not answer: the client ends the call by itself, some time after the deadline.
        session.call("mute", timeout_ms=100)
        session.driver.says(tag="mute", status=24)
        if session.host.data or select.select([session.host.socket], [], [], 0.2)[0]:
            session.take("cancel")  # the host may still read
        session.still_works()


def events_and_gaps(command):
    with Session(command) as session:
        session.driver.do("listen", tag="all", pattern="news.*")
        frame = session.take("listen")
        expect(frame["pattern"] == "news.*", f"{frame}; expected the pattern")
        typed = wire.encode({"eventType": "news.told", "payload": {"n": 1}})
        session.host.send("event", listener=frame["listener"], flags=1, name="news.told", payload=typed)  # before the reply
        session.reply(frame["id"])
        lines = [session.driver.line(), session.driver.line()]
        lines.sort(key=lambda line: "event" in line)
        expect(lines[0].get("listening") is True, f"{lines}; expected the answer to listen")
        expect(lines[1].get("event") == "news.told" and lines[1].get("payload") == typed.hex(), f"{lines[1]}")
        session.host.send("event", listener=frame["listener"], flags=0, name="news.raw", payload=b"")
        session.driver.says(tag="all", event="news.raw", payload="")
        gap = wire.encode({"eventType": "backplane.gap", "payload": {"lost": 42, "since_ms": 1764422400000}})
        session.host.send("event", listener=frame["listener"], flags=3, name="backplane.gap", payload=gap)
        session.driver.says(tag="all", event="backplane.gap", flags=3)
        session.host.send("event", listener=99, flags=0, name="news.raw", payload=b"")  # of no listener: ignored
        session.driver.do("unlisten", tag="all")
        gone = session.take("unlisten")
        expect(gone["listener"] == frame["listener"], f"{gone}; expected its listener")
        session.host.send("event", listener=frame["listener"], flags=0, name="news.raw", payload=b"")
        session.reply(gone["id"])
        session.driver.quiet()
        session.still_works()


def host_functions(command):
    with Session(command) as session:
        session.driver.do("provide", tag="f", name="app.f")
        frame = session.take("provide")
        expect((frame["kind"], frame["name"], frame["flags"]) == (0, "app.f", 0), f"{frame}")
        session.reply(frame["id"])
        session.driver.says(tag="f", status=OK)
        for token in (1, 2, (1 << 53) - 1):
            session.host.send("ask", token=token, name="app.f", payload=b"q" * token if token < 3 else b"", timeout_ms=token % 7,
                              flags=0)
        asks = [session.driver.says(tag="f", name="app.f") for _ in range(3)]
        expect(asks[0]["payload"] == b"q".hex() and asks[0]["timeout_ms"] == 1, f"{asks[0]}")
        for each, token in ((2, (1 << 53) - 1), (0, 1)):  # in any order
            session.driver.do("answer", ask=asks[each]["ask"], status=OK, payload="aabb")
            answer = session.take("answer")
            expect((answer["token"], answer["status"], answer["payload"]) == (token, OK, b"\xaa\xbb"), f"{answer}")
        session.driver.do("answer", ask=asks[1]["ask"], status=1004, message="größer", detail="f6")
        answer = session.take("answer")
        expect((answer["token"], answer["status"], answer["message"], answer["detail"]) == (2, 1004, "größer", b"\xf6"),
               f"{answer}")
        session.host.send("ask", token=3, name="app.f", payload=b"", timeout_ms=0, flags=0)
        ask = session.driver.says(tag="f")
        session.host.send("unask", token=3)
        session.host.send("unask", token=3)  # of none: ignored
        session.driver.says(unask=ask["ask"])
        session.host.send("ask", token=4, name="app.none", payload=b"", timeout_ms=0, flags=0)
        answer = session.take("answer")
        expect((answer["token"], answer["status"]) == (4, 19), f"{answer}; expected no_host_function")
        session.driver.do("withdraw", tag="f")
        frame = session.take("withdraw")
        expect(frame["name"] == "app.f", f"{frame}")
        session.reply(frame["id"])
        session.driver.do("provide", tag="g", name="app.g")
        frame = session.take("provide")
        session.reply(frame["id"], 36, b"", "taken")
        session.driver.says(tag="g", status=36)
        session.still_works()


def an_old_host_gets_no_frame_that_it_does_not_know(command):
    with Session(command, features=[]) as session:
        session.driver.do("provide", tag="f", name="app.f")
        line = session.driver.says(tag="f")
        expect(line["status"] != OK, f"{line}; expected not_supported")
        frame = session.call("plain")
        expect(frame["flags"] & 6 == 0, f"{frame}; this host takes neither credit nor parts")
        session.reply(frame["id"], PARTIAL, b"1")
        session.driver.says(tag="plain", partial=b"1".hex())
        session.reply(frame["id"])
        session.driver.says(tag="plain", status=OK)
        session.host.quiet()


def interfaces_that_are_expected(command):
    with Session(command) as session:
        def ask(tag):
            session.driver.do("expect", tag=tag, module="m", hash="1234", cddl="m.x.request = {}")
            frame = session.take("expect")
            expect((frame["module"], frame["hash"]) == ("m", "1234"), f"{frame}")
            return frame
        session.reply(ask("equal")["id"], OK, b"\xf6")
        session.driver.says(tag="equal", status=OK)
        for tag, status, payload, detail in (("compatible", OK, wire.encode({"verdict": "compatible"}), b""),
                                             ("broken", 47, b"", wire.encode({"verdict": "breaks callers"}))):
            frame = ask(tag)
            if not frame["cddl"]:
                session.reply(frame["id"], OK, wire.encode({"cddl": "wanted"}))
                frame = session.take("expect")
            expect(frame["cddl"] == "m.x.request = {}", f"{frame}; expected the text")
            session.reply(frame["id"], status, payload, "m.x: it is gone", detail)
            line = session.driver.says(tag=tag, status=status)
            expect(status == OK or "m.x" in line["message"], f"{line}; expected the host's words")


def a_frame_that_the_host_does_not_take_is_not_sent(command):
    with Session(command, max_frame=4096) as session:
        session.driver.do("call", tag="large", name="echo.raw", payload="00" * 5000)
        line = session.driver.says(tag="large")
        expect(line["status"] not in (OK, UNREACHABLE), f"{line}; expected a refusal")
        session.still_works()


def a_client_that_closes_says_no_more(command):
    with Session(command) as session:
        session.driver.do("close")
        while (frame := session.host.next()) is not None:
            expect(frame["frame"] in ("unlisten", "cancel", "error"), f"{frame}; expected the end")


CHECKS = [the_hello_of_a_client, hosts_of_other_versions, answers_and_their_order, payloads_of_every_size,
          lenient_forms_are_taken, every_fatal_error_ends_the_connection, the_end_of_a_connection_ends_each_call_once,
          partial_replies_and_their_credit, cancels_and_deadlines, events_and_gaps, host_functions,
          an_old_host_gets_no_frame_that_it_does_not_know, interfaces_that_are_expected,
          a_frame_that_the_host_does_not_take_is_not_sent, a_client_that_closes_says_no_more]
