#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What generated Python costs, against the functions of backplane.h in the same process. run.py runs it.

    bench_python.py --seconds S PLUGINS GENERATED

BACKPLANE_BACKEND chooses the backend; with ctypes, the calls in C are still those of the C module.
"""
import argparse
import asyncio
import json
import statistics
import sys
import time

import backplane
from backplane import _abi_cffi, _api, cbor

CALLS, PARTS = 50, 1000
SMOKE_SECONDS = 0.1  # less than this only shows that it runs
SUFFIX = "" if backplane.BACKEND == "cffi" else f".{backplane.BACKEND}"


def require(right, what):
    if not right:
        raise SystemExit(f"bench: wrong: {what}")


def each_ns(run, count):
    begin = time.perf_counter_ns()
    run(count)
    return (time.perf_counter_ns() - begin) / count


def row(name, unit, against, reach, seconds, count, ours, floor):
    """A row and its floor take turns for so long. Prints the row as a line of JSON, as the other programs do."""
    values, floors = [], []
    if seconds < SMOKE_SECONDS and unit == "ns":
        count //= 10
    end = time.monotonic() + seconds / 10
    while time.monotonic() < end:
        floor(count), ours(count)
    end = time.monotonic() + seconds
    while len(values) < 3 or time.monotonic() < end:
        floors.append(each_ns(floor, count))
        values.append(each_ns(ours, count))
    value, least = statistics.median(values), statistics.median(floors)
    if unit != "ns":
        value, least = 1e9 / value, 1e9 / least
    made = {"row": f"bindings.python{SUFFIX}.{name}", "value": value, "unit": unit, "against": against, "floor": least,
            "reach": None if SUFFIX else reach}
    print(json.dumps(made), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, required=True, help="for each row")
    parser.add_argument("plugins")
    parser.add_argument("generated", help="the folder with echo.py and timer.py")
    options = parser.parse_args()
    sys.path.insert(0, options.generated)
    import echo
    import timer

    context = backplane.embed()
    for name in ("echo", "timer"):
        context.load(f"{options.plugins}/{name}.so")
    native, shouts, timers = context._core.native, echo.Echo(context), timer.Timer(context)
    request, payload = echo.Shout("hello world"), cbor.dumps({"text": "hello world"})
    expected = echo.Shouted("HELLO WORLD", "")

    def shout(count):
        answer = None
        for _ in range(count):
            answer = shouts.shout(request)
        require(answer == expected, "the answer of echo.shout")

    def shout_async(count):
        async def run():
            for _ in range(count):
                answer = await shouts.shout_async(request)
            require(answer == expected, "the answer of echo.shout")

        asyncio.run(run())

    def ticks(count):
        stream = timers.ticks(timer.Ticks(count, 0))
        last = 0
        for tick in stream:
            last = tick.tick
        require((last, stream.reply().ticks) == (count, count), "the parts of timer.ticks")

    def bare_shout(count):
        require(_abi_cffi.time_calls(native, "echo.shout", payload, count) == 0, "the calls in C")

    def bare_ticks(count):
        asked = cbor.dumps({"count": count, "interval_ms": 0})
        status, pending = _api.start(native, "timer.ticks", asked, _api.NO_STALE, 0, 0, 0)
        require(status == 0 and _abi_cffi.time_parts(pending) == count, "the parts in C")

    bare_call, bare_parts = "bp_call_sync with encoded bytes, in C", "bp_call_next of the same parts, in C"
    row("call", "ns", bare_call, "above <= 4000 ns", options.seconds, CALLS, shout, bare_shout)
    row("await", "ns", bare_call, None, options.seconds, CALLS, shout_async, bare_shout)
    row("parts", "parts/s", bare_parts, None, options.seconds, PARTS, ticks, bare_ticks)
    context.close()


if __name__ == "__main__":
    main()
