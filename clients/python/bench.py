#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a call costs through Python, beside the same call in C in the same process.

    bench.py --plugins DIR [--rounds N] [--calls N] [--json]

Prints the best of the rounds, which take turns, and their median in brackets: other programs only ever add time. The C call is bp_call_sync with encoded bytes, made in
a loop of the C module; with ctypes it is not there, and its time is that of the other backend: run both.
BACKPLANE_BACKEND chooses the backend.
"""
import argparse
import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass

import backplane
from backplane import cbor
from backplane import codecs as c
from backplane._abi import abi
from backplane.generated import Call


@dataclass(slots=True)
class Shout:
    text: str


@dataclass(slots=True)
class Shouted:
    shouted: str
    prefix: str


_SHOUT = Call(
    "echo.shout",
    c.struct(Shout, c.Member("text", "text", c.text)),
    c.struct(Shouted, c.Member("shouted", "shouted", c.text), c.Member("prefix", "prefix", c.text)),
)


def module(context):
    """The client of echo, as bindgen makes it."""
    running = next(each for each in context.modules() if each["name"] == "echo")

    class Echo(backplane.Module):
        _INTERFACE = ("echo", running["interface_hash"], running["cddl"])

        def shout(self, request, *, timeout=None):
            return self._call(_SHOUT, request, timeout)

        async def shout_async(self, request, *, timeout=None):
            return await self._call_async(_SHOUT, request, timeout)

    return Echo(context)


def microseconds(run, calls):
    begin = time.perf_counter_ns()
    run(calls)
    return (time.perf_counter_ns() - begin) / calls / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugins", required=True, help="the directory with echo.so and generator.so")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    context = backplane.embed()
    for name in ("echo", "generator"):
        context.load(f"{options.plugins}/{name}.so")
    echo, request, expected = module(context), Shout("hello"), Shouted("HELLO", "")
    payload, plain = cbor.dumps({"text": "hello"}), {"text": "hello"}
    native = context._core.native

    def generated(calls):
        shout = echo.shout
        for _ in range(calls):
            answer = shout(request)
        if answer != expected:
            raise SystemExit("a wrong answer")

    def untyped(calls):
        call = context.call
        for _ in range(calls):
            call("echo.shout", plain)

    def asynchronous(calls):
        async def run():
            for _ in range(calls):
                await echo.shout_async(request)

        asyncio.run(run())

    def in_c(calls):
        status = abi.time_calls(native, "echo.shout", payload, calls)
        if status != 0:
            raise SystemExit(f"the calls in C failed with {status}")

    def parts(count):
        if len(list(context.stream("generator.primes", {"count": count}))) != count:
            raise SystemExit("parts are missing")

    rows = {"python": generated, "plain": untyped, "async": asynchronous, "part": parts}
    if hasattr(abi, "time_calls"):
        rows = {"c": in_c, **rows}
    times = {name: [] for name in rows}
    for run in rows.values():
        run(options.calls)
    for _ in range(options.rounds):
        for name, run in rows.items():
            times[name].append(microseconds(run, options.calls))
    found = {name: min(each) for name, each in times.items()}
    middle = {name: statistics.median(each) for name, each in times.items()}
    if options.json:
        json.dump({"backend": backplane.BACKEND, "us": found, "median_us": middle, "parts_per_s": 1e6 / found["part"]}, sys.stdout)
        return
    print(f"backend               {backplane.BACKEND}")
    above = f", {found['python'] - found['c']:.2f} us above C" if "c" in found else ""
    for name, label in (("c", "call in C"), ("python", "generated call"), ("plain", "call of plain values"),
                        ("async", "call with await")):
        if name in found:
            more = above if name == "python" else ""
            print(f"{label:20}  {found[name]:8.2f} us ({middle[name]:.2f}){more}")
    print(f"{'partial replies':20}  {1e6 / found['part']:8.0f} per s ({1e6 / middle['part']:.0f})")


if __name__ == "__main__":
    main()
