#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The runtime without generated code, embedded and connected: calls, streams, events, host functions, their ends."""
import asyncio
import concurrent.futures
import threading
import time
import unittest

import backplane
from backplane import errors
from support import BUNDLED, SECONDS, Host, folder, main, module, until

TICKS = {"count": 3, "interval_ms": 1}


class Lane:
    """The tests that both lanes have."""

    context: backplane.Context

    # ---- Calls ----

    def test_a_call_returns_plain_values(self):
        answer = self.context.call("echo.shout", {"text": "grüße 😀"}, timeout=SECONDS)
        self.assertEqual(answer["shouted"], "GRüßE 😀")
        self.assertEqual(self.context.call("echo.version", timeout=SECONDS), {"version": "1.0.0"})

    def test_raw_payloads_are_bytes(self):
        for data in (b"", b"\xff", bytes(1 << 20)):
            self.assertEqual(self.context.call("echo.raw", data, raw=True, timeout=SECONDS), data)

    def test_errors_have_the_class_of_their_status(self):
        with self.assertRaises(backplane.UnknownNameError) as caught:
            self.context.call("nobody.knows")
        self.assertEqual((caught.exception.status, caught.exception.name), (18, "nobody.knows"))
        with self.assertRaisesRegex(backplane.BadPayloadError, "text: expected text, got int"):
            self.context.call("echo.shout", {"text": 1})
        with self.assertRaises(backplane.InvalidArgumentError):
            self.context.call("x" * 200)
        with self.assertRaisesRegex(backplane.BadPayloadError, "found a value of type set"):
            self.context.call("echo.shout", {1})

    def test_a_timeout_ends_a_call_and_one_that_has_passed_makes_none(self):
        begin = time.monotonic()
        with self.assertRaises(TimeoutError) as caught:
            self.context.call("timer.echo", {"message": "", "delay_ms": 60000}, timeout=0.05)
        self.assertIsInstance(caught.exception, backplane.DeadlineError)
        self.assertLess(time.monotonic() - begin, SECONDS)
        with self.assertRaisesRegex(backplane.DeadlineError, "had passed before"):
            self.context.call("timer.echo", {"message": "", "delay_ms": 0}, timeout=0)

    def test_many_threads_call_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: self.context.call("echo.shout", {"text": str(n)})["shouted"], range(400)))
        self.assertEqual(made, [str(n) for n in range(400)])

    def test_asyncio_runs_many_calls_at_once(self):
        async def run():
            calls = [self.context.call_async("timer.echo", {"message": str(n), "delay_ms": 20}) for n in range(200)]
            return [answer["echoed"] for answer in await asyncio.gather(*calls)]

        self.assertEqual(asyncio.run(run()), [str(n) for n in range(200)])

    def test_a_canceled_task_cancels_its_call(self):
        async def run():
            before = self.in_flight("timer.echo")
            task = asyncio.create_task(self.context.call_async("timer.echo", {"message": "", "delay_ms": 60000}))
            while self.in_flight("timer.echo") == before:
                await asyncio.sleep(0.005)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            while self.in_flight("timer.echo") != before:
                await asyncio.sleep(0.005)

        asyncio.run(asyncio.wait_for(run(), SECONDS))

    def test_a_deadline_of_asyncio_is_that_of_the_host(self):
        async def run():
            with self.assertRaises(backplane.DeadlineError):
                await self.context.call_async("timer.echo", {"message": "", "delay_ms": 60000}, timeout=0.05)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(self.context.call_async("timer.echo", {"message": "", "delay_ms": 60000}), 0.05)

        asyncio.run(run())

    def in_flight(self, name):
        found = [each for each in self.context.status()["names"] if each["name"] == name]
        return found[0]["in_flight"] if found else 0

    # ---- Streams ----

    def test_partial_replies_come_in_a_loop_and_the_answer_after_it(self):
        stream = self.context.stream("timer.ticks", TICKS)
        self.assertEqual([part["tick"] for part in stream], [1, 2, 3])
        self.assertEqual(stream.reply()["ticks"], 3)

        def outer():
            return (yield from self.context.stream("timer.ticks", TICKS))

        made = outer()
        self.assertEqual(len([next(made) for _ in range(3)]), 3)
        with self.assertRaises(StopIteration) as caught:
            next(made)
        self.assertEqual(caught.exception.value["ticks"], 3)

    def test_partial_replies_come_in_an_async_loop(self):
        async def run():
            stream = self.context.stream_async("timer.ticks", TICKS)
            ticks = [part["tick"] async for part in stream]
            return ticks, (await stream.reply())["ticks"]

        self.assertEqual(asyncio.run(run()), ([1, 2, 3], 3))

    def test_a_slow_reader_holds_up_its_own_handler_only(self):
        stream = self.context.stream("generator.primes", {"count": 50000}, window_parts=4)
        first = next(stream)
        self.assertEqual(self.context.call("echo.version", timeout=SECONDS), {"version": "1.0.0"})
        self.assertEqual(first, {"prime": 2})
        stream.close()
        with self.assertRaises(backplane.CanceledError):
            stream.reply()

        async def run():
            slow = self.context.stream_async("generator.primes", {"count": 1000}, window_parts=4)
            primes = [part["prime"] async for part in slow]
            return primes, await slow.reply()

        primes, reply = asyncio.run(run())
        self.assertEqual((len(primes), primes[-1], reply), (1000, 7919, {"count": 1000, "last": 7919}))

    def test_a_stream_that_fails_raises_in_the_loop(self):
        with self.assertRaises(backplane.InvalidArgumentError):
            list(self.context.stream("timer.ticks", {"count": 1_000_000, "interval_ms": 1}))

        async def run():
            async for _ in self.context.stream_async("timer.ticks", {"count": 1_000_000, "interval_ms": 1}):
                pass

        with self.assertRaises(backplane.InvalidArgumentError):
            asyncio.run(run())

    def test_a_stream_that_is_left_or_forgotten_cancels_its_call(self):
        long = {"count": 10000, "interval_ms": 1000}
        before = self.in_flight("timer.ticks")
        with self.context.stream("timer.ticks", long):
            until(lambda: self.in_flight("timer.ticks") == before + 1)
        until(lambda: self.in_flight("timer.ticks") == before)

        async def run():
            stream = self.context.stream_async("timer.ticks", long)
            while self.in_flight("timer.ticks") == before:
                await asyncio.sleep(0.005)
            del stream
            while self.in_flight("timer.ticks") != before:
                await asyncio.sleep(0.005)

        asyncio.run(asyncio.wait_for(run(), SECONDS))

    def test_requests_in_parts_go_to_handlers_that_take_them(self):
        with self.assertRaises(backplane.NotSupportedError):
            self.context.stream("echo.shout", {"text": ""}, parts=[{}]).reply()
        # More than the windows of both directions hold: the handler wants its parts read before it takes others.
        size = 1000
        pieces = [{"number": n, "data": "x" * size} for n in range(1, 4000)]
        self.assertEqual(
            self.context.stream("streams.sum", ORDER, parts=iter(pieces)).reply(), {"parts": 4000, "bytes": size * 3999}
        )
        echo = self.context.stream("streams.echo", ORDER, parts=pieces)
        self.assertEqual(list(echo), pieces)
        self.assertEqual(echo.reply()["parts"], 3999)

        def broken():
            yield pieces[0]
            raise KeyError("mine")

        with self.assertRaises(KeyError):
            self.context.stream("streams.sum", ORDER, parts=broken()).reply()

    def test_requests_in_parts_come_from_async_iterables(self):
        pieces = [{"number": n, "data": "x" * 1000} for n in range(1, 4000)]

        async def some():
            for piece in pieces:
                yield piece

        async def broken():
            yield pieces[0]
            raise KeyError("mine")

        async def run():
            stream = self.context.stream_async("streams.sum", ORDER, parts=some())
            self.assertEqual((await stream.reply())["parts"], 4000)
            echo = self.context.stream_async("streams.echo", ORDER, parts=pieces)
            self.assertEqual([part async for part in echo], pieces)
            with self.assertRaises(KeyError):
                await self.context.stream_async("streams.sum", ORDER, parts=broken()).reply()

        asyncio.run(asyncio.wait_for(run(), SECONDS))

    # ---- Events ----

    def test_events_come_to_callbacks_and_iterators(self):
        came = []
        with self.context.on("timer.*", came.append), self.context.events("timer.echo_fired") as events:
            self.context.call("timer.echo", {"message": "one", "delay_ms": 0})
            self.assertEqual(events.get(SECONDS).payload["message"], "one")
            until(lambda: came)
            self.assertIsNone(events.get(0.01))
        self.assertEqual((came[0].name, came[0].payload["message"]), ("timer.echo_fired", "one"))
        self.context.call("timer.echo", {"message": "two", "delay_ms": 0})
        time.sleep(0.05)
        self.assertEqual(len(came), 1)

    def test_events_come_to_async_iterators(self):
        async def run():
            async with self.context.events_async("timer.*") as events:
                for message in ("one", "two"):
                    await self.context.call_async("timer.echo", {"message": message, "delay_ms": 0})
                return [(await anext(events)).payload["message"] for _ in range(2)]

        self.assertEqual(asyncio.run(asyncio.wait_for(run(), SECONDS)), ["one", "two"])

    def test_a_callback_that_raises_or_blocks_does_not_stall_the_host(self):
        free, began = threading.Event(), threading.Event()
        came = []

        def block(event):
            began.set()
            free.wait(SECONDS)

        def fail(event):
            came.append(event)
            raise RuntimeError("mine")

        with self.context.on("timer.*", block), self.context.on("timer.*", fail, own_thread=True):
            for n in range(3):
                self.context.call("timer.echo", {"message": str(n), "delay_ms": 0}, timeout=SECONDS)
            self.assertTrue(began.wait(SECONDS))
            until(lambda: len(came) == 3)
            free.set()

    def test_a_reader_that_is_too_slow_gets_a_gap_in_place_of_what_is_lost(self):
        gaps = []
        with self.context.events("timer.*", gaps.append, queue_bytes=2000) as events:
            for n in range(100):
                self.context.call("timer.echo", {"message": str(n), "delay_ms": 0})
            found = []
            while len(found) + sum(gap.lost for gap in gaps) < 100:
                event = events.get(SECONDS)
                self.assertIsNotNone(event)
                found.append(event)
                self.context.call("timer.echo", {"message": "more", "delay_ms": 0})
        self.assertGreater(events.lost, 0)
        self.assertEqual(events.lost, sum(gap.lost for gap in gaps))

    # ---- Host functions ----

    def provide(self, function):
        return self.context.provide("profile.fetch", function)

    def login(self, user="u", timeout=SECONDS):
        return self.context.call("session.login", {"user_id": user}, timeout=timeout)["profile"]

    def test_host_functions_answer_inline_later_and_from_other_threads(self):
        def later(user):
            future = concurrent.futures.Future()
            threading.Timer(0.01, lambda: future.set_result(["thread", user["user_id"]])).start()
            return future

        async def coroutine(user):
            await asyncio.sleep(0.01)
            return ["async", user["user_id"]]

        class Callable:
            async def __call__(self, user):
                return ["object", user["user_id"]]

        for function, expected in ((lambda user: ["inline", user["user_id"]], "inline"), (later, "thread"),
                                   (coroutine, "async"), (Callable(), "object"), (lambda user: coroutine(user), "async")):
            with self.provide(function):
                self.assertEqual(self.login("x"), [expected, "x"])
        with self.assertRaises(backplane.NoHostFunctionError):
            self.login()

        async def run():
            loop = asyncio.get_running_loop()

            async def here(user):
                return asyncio.get_running_loop() is loop

            with self.provide(here):
                return (await self.context.call_async("session.login", {"user_id": "u"}))["profile"]

        self.assertTrue(asyncio.run(run()))

    def test_what_a_host_function_raises_is_the_answer(self):
        def own(user):
            raise backplane.ModuleError("no such user", status=1234, detail={"user": user["user_id"]})

        def other(user):
            raise KeyError("lost")

        async def canceled(user):
            raise asyncio.CancelledError

        def unfit(user):
            return {1}

        for function, status, message in ((own, 1234, "no such user"), (other, 32, "KeyError: 'lost'"),
                                          (canceled, 25, "canceled"), (unfit, 20, "type set")):
            with self.provide(function), self.assertRaisesRegex(backplane.CallError, message) as caught:
                self.login()
            self.assertEqual(caught.exception.status, status)
            if status == 1234:
                self.assertEqual(caught.exception.detail, {"user": "u"})

    def test_host_functions_that_block_hold_up_only_themselves(self):
        free = threading.Event()
        with self.provide(lambda user: free.wait(SECONDS) or True):
            pool = concurrent.futures.ThreadPoolExecutor(4)
            waiting = [pool.submit(self.login) for _ in range(4)]
            self.assertEqual(self.context.call("echo.version", timeout=SECONDS), {"version": "1.0.0"})
            with self.assertRaises(backplane.DeadlineError):
                self.login(timeout=0.05)
            free.set()
            self.assertEqual([each.result(SECONDS) for each in waiting], [True] * 4)
            pool.shutdown()

    # ---- The rest ----

    def test_reports_tell_what_runs(self):
        self.assertEqual([each["name"] for each in self.context.modules()], sorted(MODULES))
        self.assertIn("version", self.context.status())
        with self.assertRaises(backplane.NotLoadedError):
            self.context.unload("nobody")
        with self.assertRaises(backplane.LoadRefusedError):
            self.context.load("/dev/null")
        report = self.context.reload("echo")
        self.assertEqual(report["module"], "echo")
        self.assertEqual(self.context.compare("echo", module("echo"))["verdict"], "compatible")


ORDER = {"parts": 0, "size": 0, "wait_ms": 0}
MODULES = (*BUNDLED, "streams")


class Embedded(Lane, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = backplane.embed()
        for name in MODULES:
            cls.context.load(module(name))

    @classmethod
    def tearDownClass(cls):
        cls.context.close()

    def test_other_programs_reach_it_over_its_socket(self):
        with folder() as work:
            asked = threading.Event()
            with self.context.serve(work / "s", on_stop=asked.set), backplane.connect(work / "s") as peer:
                self.assertEqual(peer.call("echo.shout", {"text": "a"})["shouted"], "A")
                peer.stop_host()
                self.assertTrue(asked.wait(SECONDS))

    def test_a_lossless_listener_loses_nothing(self):
        with self.context.events("timer.*", lossless=True) as events:
            self.context.call("timer.echo", {"message": "a", "delay_ms": 0})
            self.assertEqual(events.get(SECONDS).payload["message"], "a")

    def test_a_closed_context_refuses_calls_and_ends_what_is_open(self):
        context = backplane.embed()
        ended = []

        def wait():
            try:
                context.call("timer.echo", {"message": "", "delay_ms": 60000})
            except backplane.CallError as error:
                ended.append(error.status)

        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: [1 for each in context.status()["names"] if each["name"] == "timer.echo" and each["in_flight"]])
        context.close(0.01)
        thread.join(SECONDS)
        self.assertEqual(ended, [25])
        with self.assertRaises(backplane.ClosedError):
            context.call("echo.version")
        with self.assertRaises(backplane.ClosedError):
            context.on("timer.*", print)
        context.close()

    def test_options_out_of_bounds_are_refused(self):
        with self.assertRaisesRegex(backplane.InvalidArgumentError, "window_bytes"):
            backplane.embed(window_bytes=1)
        with self.assertRaisesRegex(backplane.InvalidArgumentError, "pattern"):
            self.context.on("a b", print)
        with self.assertRaisesRegex(backplane.InvalidArgumentError, "expected a wire name"):
            self.context.provide("no", print)


class Connected(Lane, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = folder()
        cls.host = Host(cls.work.__enter__(), *[module(name) for name in MODULES])
        cls.host.start()
        cls.context = backplane.connect(cls.host.socket)

    @classmethod
    def tearDownClass(cls):
        cls.context.close()
        cls.host.kill()
        cls.work.__exit__(None, None, None)

    def test_nobody_there_is_unreachable(self):
        with folder() as work, self.assertRaises(ConnectionError) as caught:
            backplane.connect(work / "nobody.sock")
        self.assertIsInstance(caught.exception, backplane.UnreachableError)

    def test_asyncio_connects_too(self):
        async def run():
            async with await backplane.connect_async(self.host.socket) as context:
                return await context.call_async("echo.shout", {"text": "a"})

        self.assertEqual(asyncio.run(run())["shouted"], "A")


class Statuses(unittest.TestCase):
    def test_each_status_of_the_host_has_a_class(self):
        import json
        import pathlib

        listed = json.loads((pathlib.Path(__file__).parents[3] / "abi" / "statuses.json").read_text(encoding="utf-8"))
        values = {each["number"] for each in listed["statuses"]} - {0, 2, 3, 4}
        self.assertEqual(values - set(errors.CLASSES), set())
        self.assertIs(type(errors.make(1000, "a.b")), backplane.ModuleError)
        self.assertIs(type(errors.make(999, "a.b")), backplane.CallError)


if __name__ == "__main__":
    main()
