# SPDX-License-Identifier: Apache-2.0
"""Waits, counts and listens with the module timer, and answers what the module session asks.

planner.py embedded PLUGINS     in this process, with PLUGINS/timer.so and PLUGINS/session.so
planner.py connected [SOCKET]   at a running host
"""
import asyncio
import sys

import backplane
import session
import timer


def calls(context: backplane.Context) -> None:
    clock = timer.Timer(context)
    print(clock.echo(timer.Message("hello", delay_ms=10), timeout=1).echoed)
    ticks = clock.ticks(timer.Ticks(count=3, interval_ms=1))
    for tick in ticks:
        print(f"{tick.tick} of {tick.of}")
    print(f"{ticks.reply().ticks} ticks")
    try:
        clock.echo(timer.Message("too late", delay_ms=1000), timeout=0.01)
    except backplane.DeadlineError:
        print("no answer within 10 ms")
    try:
        clock.echo(timer.Message("too long", delay_ms=10**9))
    except timer.InvalidArgumentError as error:
        print(error.message)


async def asynchronous(context: backplane.Context) -> None:
    clock = await timer.Timer.open_async(context)
    async with clock.echo_fired_events_async() as events:
        echoes = [clock.echo_async(timer.Message(f"message {n}", delay_ms=10)) for n in range(3)]
        print([echo.echoed for echo in await asyncio.gather(*echoes)])
        print((await anext(events)).message.startswith("message"))


async def profile(user: session.User) -> object:
    await asyncio.sleep(0.01)
    return {"name": f"user {user.user_id}"}


def main() -> None:
    lane, *where = sys.argv[1:]
    if lane == "embedded":
        context = backplane.embed()
        for name in ("timer", "session"):
            context.load(f"{where[0]}/{name}.so")
    else:
        context = backplane.connect(*where)
    with context:
        calls(context)
        asyncio.run(asynchronous(context))
        users = session.Session(context)
        with users.provide_profile_fetch(profile):
            print(users.login(session.User(7)).profile)


if __name__ == "__main__":
    main()
