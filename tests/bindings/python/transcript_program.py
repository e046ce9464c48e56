#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The transcript in Python; tests/bindings/transcript/README.md says what it prints. The generated modules must be
importable."""
import asyncio
import concurrent.futures
import json
import math
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager

import backplane
import echo
import generator
import kv
import session
import timer

SECONDS = 10
PAYLOAD = {
    "big": 2**64 - 1, "bytes": b"\x00\xff", "list": [], "low": -(2**64), "map": {}, "nan": math.nan,
    "nested": [[1, [2]], {"x": None}], "text": "ü", "true": True,
}  # fmt: skip


def quoted(found):
    plain = json.dumps(found, ensure_ascii=False)
    return plain.replace("\\n", "\\u000a").replace("\\t", "\\u0009").replace("\\r", "\\u000d").replace(
        "\\b", "\\u0008").replace("\\f", "\\u000c")


def shown(found):
    if found is None:
        return "null"
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, (bytes, bytearray)):
        return f"h'{found.hex()}'"
    if isinstance(found, float):
        return "NaN" if math.isnan(found) else repr(found)
    if isinstance(found, str):
        return quoted(found)
    if isinstance(found, int):
        return str(found)
    if isinstance(found, list):
        return "[" + ", ".join(map(shown, found)) + "]"
    if isinstance(found, dict):
        pairs = sorted(found.items(), key=lambda pair: str(pair[0]))
        return "{" + ", ".join(f"{shown(key)}: {shown(each)}" for key, each in pairs) + "}"
    return found.value  # an enum: as on the wire


def line(name, /, *words, **members):
    print(f"{name}:", *words, *[f"{key}={shown(each)}" for key, each in members.items()], flush=True)


def members(name, found, *wanted):
    line(name, **{each: getattr(found, each) for each in wanted})


def failed(name, call, with_message=True):
    try:
        call()
    except backplane.CallError as error:
        told(name, error, with_message)
    else:
        line(name, "no error")


def told(name, error, with_message):
    status = error.status if error.status >= 1000 else error.status_name
    more = {"message": error.message} if with_message else {}
    if error.detail_bytes:
        more["detail"] = error.detail
    line(name, "error", f"status={status}", **more)


def heard(name, events, *wanted):
    event = events.get(SECONDS)
    if event is None:
        line(name, "timeout")
        sys.exit(1)
    members(name, event.payload, *wanted)


def echoes(client):
    members("echo.version", client.version(), "version")
    members("echo.shout", client.shout(echo.Shout("hello world")), "shouted", "prefix")
    for name, text in (("unicode", "größe 日本語 😀"), ("empty", ""), ("nul", "a\0b")):
        members(f"echo.shout {name}", client.shout(echo.Shout(text)), "shouted")
    large = client.shout(echo.Shout("a" * (1 << 20))).shouted
    line("echo.shout large", size=len(large.encode()), same=large == "A" * (1 << 20))
    line("echo.raw", bytes=client.raw(bytes((0, 1, 2, 253, 254, 255))))
    line("echo.raw empty", size=len(client.raw(b"")))
    data = bytes(i % 251 for i in range(1 << 20))
    back = client.raw(data)
    line("echo.raw large", size=len(back), same=back == data)


def timers(client):
    with client.echo_fired_events() as events:
        members("timer.echo", client.echo(timer.Message("hello", 1)), "echoed", "timer_name")
        heard("timer.echo_fired", events, "message", "echo_count")
    failed("timer.echo limit", lambda: client.echo(timer.Message("", 60001)))
    batch = timer.Complex([timer.Message("a", 1), timer.Message("b", 2)], ["x", "y"], note="n", retries=-3)
    members("timer.complex", client.complex(batch), "summary", "item_count", "has_note")
    members("timer.complex absent", client.complex(timer.Complex([], [])), "summary", "item_count", "has_note")
    planned = ("job_id", "will_run_count", "first_run_at_ms", "effective_backoff_ms", "priority")
    with client.job_scheduled_events() as events:
        plan = timer.Schedule(timer.Job("j", PAYLOAD, timer.Priority.HIGH), timer.Retry(3, 500, ["io"]),
                              timer.Timing(1000, 0, jitter=18446744073709550615))
        members("timer.schedule", client.schedule(plan), *planned)
        event = events.get(SECONDS).payload
        line("timer.job_scheduled", job_id=event.job_id, name=event.job.name, payload=event.job.payload,
             priority=event.job.priority)
    plan = timer.Schedule(timer.Job("j", None, timer.Priority.LOW), timer.Retry(3, 0, []), timer.Timing(1, 0))
    members("timer.schedule absent", client.schedule(plan), *planned)
    ticks = client.ticks(timer.Ticks(3, 1))
    for tick in ticks:
        members("timer.ticks part", tick, "tick", "of")
    members("timer.ticks", ticks.reply(), "ticks")
    failed("timer.ticks limit", lambda: client.ticks(timer.Ticks(10001, 1)).reply())
    with client.ticks(timer.Ticks(1000, 1)) as left:
        line("timer.ticks left", parts=len([next(left), next(left)]))


def stores(client):
    members("kv.get missing", client.get(kv.Key("none")), "found", "value")
    with client.changed_events() as events:
        client.put(kv.Entry("a", 1))
        line("kv.put", "done")
        heard("kv.changed", events, "key", "change")
    client.put(kv.Entry("b", PAYLOAD))
    line("kv.put nested", "done")
    members("kv.get", client.get(kv.Key("b")), "found", "value")
    deep = []
    for _ in range(59):
        deep = [deep]
    client.put(kv.Entry("c", deep))
    line("kv.put deep", "done")
    found, levels = client.get(kv.Key("c")).value, 1
    while found:
        found, levels = found[0], levels + 1
    line("kv.get deep", levels=levels)
    failed("kv.put empty", lambda: client.put(kv.Entry("", 1)))
    members("kv.count", client.count(kv.Prefix()), "count")
    after = None
    while True:
        page = client.scan(kv.Scan(after=after, limit=2))
        line("kv.scan page", keys=[entry.key for entry in page.entries], next=page.next)
        after = page.next
        if after is None:
            break
    with client.changed_events() as events:
        members("kv.delete", client.delete(kv.Key("a")), "deleted")
        heard("kv.deleted", events, "key", "change")
    members("kv.delete missing", client.delete(kv.Key("a")), "deleted")


def sessions(client):
    def login(name, user):
        members(f"session.login {name}", client.login(session.User(user)), "user_id", "profile")

    def later(user):
        future = concurrent.futures.Future()
        threading.Timer(0.005, future.set_result, ("later",)).start()
        return future

    async def thread(user):
        return "thread"  # it runs on the loop's thread

    def failing(user):
        raise backplane.ModuleError("no such user", status=1234, detail={"user": user.user_id})

    failed("session.login alone", lambda: client.login(session.User("ann")), False)
    with client.provide_profile_fetch(lambda user: {"name": user.user_id, "age": 42}):
        with client.logged_in_events() as events:
            login("inline", "ann")
            heard("session.logged_in", events, "user_id")
        login("number", 2**64 - 1)
    with client.provide_profile_fetch(later):
        login("later", "bob")
    with client.provide_profile_fetch(thread):
        login("thread", "cid")
    with client.provide_profile_fetch(failing):
        failed("session.login failing", lambda: client.login(session.User("dan")))
    failed("session.login withdrawn", lambda: client.login(session.User("ann")), False)


def generators(client):
    primes = client.primes(generator.Primes(5))
    for prime in primes:
        members("generator.primes part", prime, "prime")
    members("generator.primes", primes.reply(), "count", "last")
    zipped = client.zip(generator.Lists([1, "two", None], [b"\x03", [4], {}]))
    members("generator.zip", zipped, "items")
    members("generator.chain", client.chain(generator.Chain(3, [-(2**63), 2**53 + 1, 0])), "values")


def cancel(client):
    async def run():
        stream = client._context.stream_async("timer.echo", {"message": "", "delay_ms": 60000})
        await asyncio.sleep(0.005)
        stream.cancel()
        await stream.reply()

    failed("cancel", lambda: asyncio.run(run()), False)


def deadline(client):
    failed("deadline", lambda: client.echo(timer.Message("", 60000), timeout=0.02), False)


def both(first, second):
    async def run():
        slow = asyncio.create_task(first.echo_async(timer.Message("both", 20)))
        return await slow, await second.primes_async(generator.Primes(3)).reply()

    echoed, counted = asyncio.run(run())
    line("both", echoed=echoed.echoed, last=counted.last)


def reload(context, client):
    with client.echo_fired_events() as events:
        context.reload("timer")
        members("reload", client.echo(timer.Message("again", 1)), "echoed")
        heard("reload event", events, "message", "echo_count")


def transcript(context):
    made = []
    for source, cls in ((echo, echo.Echo), (timer, timer.Timer), (kv, kv.Kv), (session, session.Session),
                        (generator, generator.Generator)):
        made.append(cls(context))
        line(f"interface {source.MODULE}", hash=source.INTERFACE_HASH)
    echoes(made[0])
    timers(made[1])
    stores(made[2])
    sessions(made[3])
    generators(made[4])
    cancel(made[1])
    deadline(made[1])
    both(made[1], made[4])
    reload(context, made[1])


def killed(context, process):
    client = timer.Timer(context)
    members("timer.echo", client.echo(timer.Message("before", 1)), "echoed")
    threading.Timer(0.05, os.kill, (process, signal.SIGKILL)).start()
    failed("open call", lambda: client.echo(timer.Message("", 60000)), False)
    failed("later call", lambda: client.echo(timer.Message("", 1)), False)


@contextmanager
def embedded(plugins):
    backplane.configure(data_dir=os.environ["BACKPLANE_DATA_DIR"])
    with backplane.embed() as context:
        for name in ("echo", "timer", "kv", "session", "generator"):
            context.load(f"{plugins}/{name}.so")
        yield context


def main():
    lane, where, *more = sys.argv[1:]
    began = time.monotonic()
    if lane == "embedded":
        with embedded(where) as context:
            transcript(context)
    else:
        with backplane.connect(where) as context:
            transcript(context) if lane == "connected" else killed(context, int(more[0]))
    return 0 if time.monotonic() - began < 60 else 1


if __name__ == "__main__":
    sys.exit(main())
