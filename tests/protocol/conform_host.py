# SPDX-License-Identifier: Apache-2.0
"""Checks of a host, which has the modules echo and timer, by a client that is only as the protocol says."""

import json
import pathlib
import socket
import time

import wire
from peer import FROM_HOST, Peer, expect, hello_values

VECTORS = pathlib.Path(__file__).resolve().parent / "vectors"
OK, PARTIAL, UNKNOWN_NAME, NO_FUNCTION, CANCELED, DEADLINE, NOT_SUPPORTED, NOT_FOUND = 0, 4, 18, 19, 25, 24, 33, 43
INVALID_HANDLE = 17
FEATURES = ["credit", "parts", "lossless"]


class Host:
    def __init__(self, path):
        self.path = path

    def connect(self, greet=True, **hello):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        peer = Peer(sock, FROM_HOST)
        if greet:
            peer.send("hello", **hello_values(features=FEATURES, **hello))
            peer.host = peer.take("hello")
        return peer

    def serves(self):
        """A new connection is served as if nothing had been."""
        peer = self.connect()
        echo(peer, 1, b"alive")
        peer.close()


def echo(peer, number, payload):
    peer.send("call", id=number, target="echo.raw", payload=payload, timeout_ms=0, flags=0)
    reply = peer.take("reply")
    expect((reply["id"], reply["status"], reply["payload"]) == (number, OK, payload), f"{reply}; expected its payload")


def delayed(peer, number, delay_ms, timeout_ms=0):
    payload = wire.encode({"message": "m", "delay_ms": delay_ms})
    peer.send("call", id=number, target="timer.echo", payload=payload, timeout_ms=timeout_ms, flags=1)


def status_of(peer, number):
    reply = peer.take("reply")
    expect(reply["id"] == number, f"{reply}; expected the answer to {number}")
    return reply["status"]


def the_hello_of_a_host(host):
    peer = host.connect()
    expect(peer.host["protocol"] >= 1 and peer.host["oldest-protocol"] <= 1, f"{peer.host}; expected version 1")
    expect(peer.host["max-frame"] >= 4096, f"{peer.host}; expected a max-frame of 4096 or more")
    for feature in ("provide", "expect"):
        expect(feature in peer.host["features"], f"{peer.host['features']}; expected {feature}")
    peer.close()


def hellos_of_other_versions(host):
    newer = host.connect(greet=False)
    newer.send("hello", **{**hello_values(), "protocol": 9, "version": "9.0.0"})
    newer.take("hello")
    echo(newer, 1, b"x")
    newer.close()
    for values in ({"protocol": 9, "oldest_protocol": 9}, {"protocol": 0, "oldest_protocol": 0}):
        other = host.connect(greet=False)
        other.send("hello", **{**hello_values(), **values})
        other.ends()
        other.close()
    first = host.connect(greet=False)
    first.items(1, "backplane", 1, "0.1.0", 1, 4096)  # of the first version
    first.take("hello")
    echo(first, 1, b"x")
    first.close()


def the_first_frame_is_a_hello(host):
    for data in (wire.frame([2, 1, "echo.raw", b"", 0, 0]), wire.frame([1, "other", 1, "0", 1, 4096]), b"\x00\x10\x00\x00",
                 b"GET / HTTP/1.1\r\n\r\n"):
        peer = host.connect(greet=False)
        peer.send_bytes(data)
        peer.ends()
        peer.close()


def every_fatal_error_ends_only_its_connection(host):
    errors = json.loads((VECTORS / "errors.json").read_text(encoding="utf-8"))["vectors"]
    wrong = json.loads((VECTORS / "wrong_direction.json").read_text(encoding="utf-8"))["vectors"]
    other = host.connect()
    for each in errors + [each for each in wrong if each["receiver"] == "host"]:
        peer = host.connect()
        peer.send_bytes(bytes.fromhex(each["bytes"]))
        try:
            peer.ends()
        except Exception as error:
            raise type(error)(f"{each['name']}: {error}") from error
        peer.close()
    echo(other, 1, b"still here")
    other.close()


def lenient_forms_are_taken(host):
    peer = host.connect()
    peer.send_bytes(wire.frame([wire.Wide(2), wire.Wide(1), wire.Text("echo.raw"), b"wide", wire.Wide(0), wire.Wide(0)]))
    expect(peer.take("reply")["payload"] == b"wide", "another answer; expected that of the call in wide integers")
    peer.items(2, 2, "echo.raw", b"more", 0, 0, 0, 0, "new", {"items": [1, None]})
    expect(peer.take("reply")["payload"] == b"more", "another answer; expected that of the call with further items")
    peer.items(2, 3, "echo.raw", b"half", 0, 0, 4096)
    expect(peer.take("reply")["payload"] == b"half", "another answer; expected that of the call with half of a window")
    largest = (1 << 64) - 1
    peer.items(2, 4, "echo.raw", b"vast", largest, 3, largest, (1 << 32) - 1)
    expect(peer.take("reply")["payload"] == b"vast", "another answer; expected that of the call with the largest numbers")
    peer.close()
    vast = host.connect(greet=False)
    vast.items(1, "backplane", 1, "0.1.0", 1, largest, 1, ["unheard-of"], largest, (1 << 32) - 1)
    vast.take("hello")
    echo(vast, 1, b"x")
    vast.close()


def frames_may_come_in_any_pieces(host):
    peer = host.connect()
    data = b"".join(wire.write("call", id=number, target="echo.raw", payload=b"x" * number, timeout_ms=0, flags=0)
                    for number in range(1, 6))
    for at in range(len(data)):
        peer.send_bytes(data[at:at + 1])
    for number in range(1, 6):
        expect(status_of(peer, number) == OK, "an error; expected ok")
    peer.send_bytes(data[:0] + b"".join(wire.write("call", id=10 + number, target="echo.raw", payload=b"", timeout_ms=0,
                                                   flags=0) for number in range(100)))
    expect(sorted(peer.take("reply")["id"] for _ in range(100)) == list(range(10, 110)), "other ids; expected each once")
    peer.close()


def payloads_of_every_size(host):
    peer = host.connect()
    for number, size in enumerate((0, 1, 23, 24, 255, 256, 65535, 65536, 1 << 20), 1):
        echo(peer, number, bytes(size))
    echo(peer, (1 << 64) - 1, b"the largest id")
    peer.close()


def answers_larger_than_the_peer_takes(host):
    peer = host.connect(greet=False)
    peer.send("hello", **{**hello_values(), "max_frame": 1})  # counts as 4096
    peer.take("hello")
    echo(peer, 1, b"x" * 4000)
    peer.send("call", id=2, target="echo.raw", payload=b"x" * 5000, timeout_ms=0, flags=0)
    expect(status_of(peer, 2) == NOT_SUPPORTED, "another status; expected not_supported")
    peer.close()


def a_frame_larger_than_the_host_takes(host):
    peer = host.connect()
    peer.send_bytes((peer.host["max-frame"] + 1).to_bytes(4, "big"))
    peer.ends()
    peer.close()


def an_id_in_use_ends_the_connection(host):
    peer = host.connect()
    delayed(peer, 7, 30_000)
    delayed(peer, 7, 30_000)
    peer.ends()
    peer.close()
    again = host.connect()
    for _ in range(2):  # after the terminal reply it is free, though better not used again
        echo(again, 7, b"x")
    again.close()
    listeners = host.connect()
    listeners.send("listen", id=1, listener=5, pattern="a.b")
    expect(status_of(listeners, 1) == OK, "an error; expected ok")
    listeners.send("listen", id=2, listener=5, pattern="a.c")
    listeners.ends()
    listeners.close()


def names_and_methods(host):
    peer = host.connect()
    peer.send("resolve", id=1, name="echo.raw")
    reply = peer.take("reply")
    method = wire.decode(reply["payload"])
    expect(1 <= method <= 9007199254740991, f"the method {method}; expected 1 to 2^53-1")
    peer.send("call", id=2, target=method, payload=b"by method", timeout_ms=0, flags=0)
    expect(peer.take("reply")["payload"] == b"by method", "another answer; expected the payload")
    peer.send("resolve", id=3, name="none.such")
    expect(status_of(peer, 3) == UNKNOWN_NAME, "another status; expected unknown_name")
    peer.send("call", id=4, target="none.such", payload=b"", timeout_ms=0, flags=0)
    expect(status_of(peer, 4) == UNKNOWN_NAME, "another status; expected unknown_name")
    peer.close()


def cancels_and_deadlines(host):
    peer = host.connect()
    peer.send("cancel", id=99)  # of no call: ignored
    delayed(peer, 1, 30_000)
    peer.send("cancel", id=1)
    expect(status_of(peer, 1) == CANCELED, "another status; expected canceled")
    peer.send("cancel", id=1)  # too late: ignored
    delayed(peer, 2, 30_000, 50)
    expect(status_of(peer, 2) == DEADLINE, "another status; expected deadline")
    echo(peer, 3, b"x")
    peer.close()


def partial_replies_wait_for_credit(host):
    peer = host.connect()
    payload = wire.encode({"count": 5, "interval_ms": 1})
    peer.send("call", id=1, target="timer.ticks", payload=payload, timeout_ms=0, flags=1 | 2, window_bytes=1 << 20,
              window_parts=2)
    sizes = []
    for _ in range(2):
        part = peer.take("reply")
        expect((part["id"], part["status"]) == (1, PARTIAL), f"{part}; expected a partial reply")
        sizes.append(len(part["payload"]))
    peer.quiet(0.3)  # the window is full
    peer.send("credit", id=1, bytes=sizes[0])
    part = peer.take("reply")
    expect(part["status"] == PARTIAL, f"{part}; expected the third part")
    peer.quiet(0.3)
    peer.send("credit", id=1, bytes=1 << 40)  # more than is on its way: all of it
    expect([peer.take("reply")["status"] for _ in range(2)] == [PARTIAL] * 2, "other statuses; expected two parts")
    peer.send("credit", id=1, bytes=1 << 40)
    expect(status_of(peer, 1) == OK, "another status; expected the terminal reply")
    peer.send("credit", id=1, bytes=1)  # too late: ignored
    payload = wire.encode({"count": 3, "interval_ms": 1})
    peer.send("call", id=2, target="timer.ticks", payload=payload, timeout_ms=0, flags=1)  # without credit
    expect([peer.take("reply")["status"] for _ in range(4)] == [PARTIAL] * 3 + [OK], "other statuses; expected 3 parts")
    delayed(peer, 3, 30_000)
    peer.send("credit", id=3, bytes=1)  # of a call without the flag
    peer.ends()
    peer.close()


def a_handler_without_parts_refuses_them(host):
    peer = host.connect()
    peer.send("call", id=1, target="echo.raw", payload=b"first", timeout_ms=0, flags=4)
    expect(status_of(peer, 1) == NOT_SUPPORTED, "another status; expected not_supported")
    peer.send("part", id=1, payload=b"too late", flags=1)  # ignored
    echo(peer, 2, b"x")
    peer.close()


def events_of_a_listener(host):
    peer = host.connect()
    peer.send("listen", id=1, listener=(1 << 64) - 1, pattern="timer.*")
    expect(status_of(peer, 1) == OK, "an error; expected ok")
    delayed(peer, 2, 0)
    seen = [peer.next(), peer.next()]
    events = [frame for frame in seen if frame["frame"] == "event"]
    expect(len(events) == 1, f"{seen}; expected an event and a reply")
    expect(events[0]["listener"] == (1 << 64) - 1 and events[0]["name"] == "timer.echo_fired", f"{events[0]}")
    if events[0]["flags"] & 1:
        inner = wire.decode(events[0]["payload"])
        expect(inner["eventType"] == "timer.echo_fired" and "payload" in inner, f"{inner}; expected a typed event")
    peer.send("unlisten", id=3, listener=(1 << 64) - 1)
    expect(status_of(peer, 3) == OK, "an error; expected ok")
    delayed(peer, 4, 0)
    expect(status_of(peer, 4) == OK, "an event after unlisten; expected the reply alone")
    peer.quiet()
    peer.send("unlisten", id=5, listener=1)
    expect(status_of(peer, 5) == INVALID_HANDLE, "another status; expected invalid_handle for no such listener")
    peer.send("listen", id=7, listener=9, pattern="no pattern")
    expect(status_of(peer, 7) != OK, "ok; expected a refusal")
    peer.send("unlisten", id=8, listener=9)
    expect(status_of(peer, 8) == INVALID_HANDLE, "another status; expected invalid_handle after the refusal")
    peer.send("listen", id=9, listener=9, pattern="timer.none")
    expect(status_of(peer, 9) == OK, "an error; expected the id of the refused listener to be free")
    peer.send("heard", listener=1, bytes=1)  # of no listener: ignored
    echo(peer, 6, b"x")
    peer.close()


def host_functions(host):
    peer = host.connect()
    other = host.connect()

    def ask(sender, number, kind_of_frame, **values):
        sender.send(kind_of_frame, id=number, **values)
        return status_of(sender, number)

    expect(ask(peer, 1, "provide", kind=0, name="conform.f") == OK, "an error; expected ok")
    expect(ask(peer, 2, "provide", kind=0, name="conform.f") == OK, "an error; a connection may provide its own again")
    expect(ask(other, 1, "provide", kind=0, name="conform.f") == 36, "another status; expected name_taken")
    expect(ask(peer, 3, "provide", kind=1, name="conform.v") == NOT_SUPPORTED, "another status; expected not_supported")
    expect(ask(peer, 4, "provide", kind=0, name="no name") == 16, "another status; expected invalid_argument")
    expect(ask(other, 2, "withdraw", name="conform.f") == NOT_FOUND, "another status; expected not_found")
    peer.send("answer", token=12345, status=0)  # of no call: ignored
    expect(ask(peer, 5, "withdraw", name="conform.f") == OK, "an error; expected ok")
    expect(ask(other, 3, "provide", kind=0, name="conform.f") == OK, "an error; expected the name to be free")
    other.close()
    until = time.monotonic() + 10
    number = 6
    while ask(peer, number, "provide", kind=0, name="conform.f") != OK:  # the end of a connection frees its names
        expect(time.monotonic() < until, "name_taken; expected the name to be free after its connection")
        number += 1
    peer.close()


def interfaces_that_are_expected(host):
    peer = host.connect()
    peer.send("list", id=1)
    modules = wire.decode(peer.take("reply")["payload"])["modules"]
    echo_module = next(each for each in modules if each["name"] == "echo")
    peer.send("expect", id=2, module="echo", hash=echo_module["interface_hash"])
    reply = peer.take("reply")
    expect((reply["status"], reply["payload"]) == (OK, b"\xf6"), f"{reply}; expected ok and null")
    peer.send("expect", id=3, module="echo", hash="0" * 16)
    reply = peer.take("reply")
    expect(reply["status"] == OK and wire.decode(reply["payload"]) == {"cddl": "wanted"}, f"{reply}; expected the question")
    peer.send("expect", id=4, module="echo", hash="0" * 16, cddl=echo_module["cddl"] + "\n; words\n")
    reply = peer.take("reply")
    expect(reply["status"] == OK and wire.decode(reply["payload"])["verdict"] == "compatible", f"{reply}")
    peer.send("expect", id=5, module="echo", hash="0" * 16, cddl=echo_module["cddl"] + "\necho.gone.request = {}\n")
    reply = peer.take("reply")
    expect(reply["status"] == 47 and "echo.gone" in reply["message"], f"{reply}; expected interface_changed")
    expect(wire.decode(reply["detail"])["verdict"] == "breaks callers", f"{reply}; expected the report")
    peer.send("expect", id=6, module="none", hash="0" * 16)
    expect(status_of(peer, 6) == NOT_FOUND, "another status; expected not_found")
    peer.close()


def a_half_close_ends_the_connection(host):
    peer = host.connect()
    delayed(peer, 1, 30_000)
    peer.socket.shutdown(socket.SHUT_WR)
    while (frame := peer.next()) is not None:
        expect(frame["frame"] in ("reply", "error"), f"{frame}; expected the end")
    peer.close()


def an_error_frame_of_the_peer_ends_the_connection(host):
    peer = host.connect()
    peer.send("error", status=42, message="done")
    expect(peer.next() is None, "a frame; expected the end of the connection")
    peer.close()


CHECKS = [the_hello_of_a_host, hellos_of_other_versions, the_first_frame_is_a_hello,
          every_fatal_error_ends_only_its_connection, lenient_forms_are_taken, frames_may_come_in_any_pieces,
          payloads_of_every_size, answers_larger_than_the_peer_takes, a_frame_larger_than_the_host_takes,
          an_id_in_use_ends_the_connection, names_and_methods, cancels_and_deadlines, partial_replies_wait_for_credit,
          a_handler_without_parts_refuses_them, events_of_a_listener, host_functions, interfaces_that_are_expected,
          a_half_close_ends_the_connection, an_error_frame_of_the_peer_ends_the_connection]
