#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What ends or changes under a running client: hosts that are killed, modules that are reloaded, interpreters that exit."""
import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

import backplane
from support import PLUGINS, SECONDS, Host, folder, main, module, until

QUICK = backplane.Reconnect(initial=0.02, maximum=0.1)


class Reconnects(unittest.TestCase):
    def setUp(self):
        self.work = self.enterContext(folder())
        self.host = self.enterContext(Host(self.work, module("timer"), module("session"), module("echo")))

    def connect(self, **options):
        self.states = []
        options.setdefault("reconnect", QUICK)
        return self.enterContext(backplane.connect(self.host.socket, on_state=self.states.append, **options))

    def kinds(self):
        return [state.kind for state in self.states]

    def test_open_calls_end_once_and_later_ones_work_again(self):
        context = self.connect()
        ended = []

        def wait():
            try:
                context.call("timer.echo", {"message": "", "delay_ms": 60000})
            except backplane.CallError as error:
                ended.append(error)

        async def wait_async():
            calls = [context.call_async("timer.echo", {"message": "", "delay_ms": 60000}) for _ in range(10)]
            calls.append(context.stream_async("timer.ticks", {"count": 9, "interval_ms": 60000}).reply())
            return await asyncio.gather(*calls, return_exceptions=True)

        threads = [threading.Thread(target=wait) for _ in range(4)]
        asynchronous = []
        threads.append(threading.Thread(target=lambda: asynchronous.extend(asyncio.run(wait_async()))))
        for thread in threads:
            thread.start()
        until(lambda: sum(e["in_flight"] for e in context.status()["names"] if e["name"].startswith("timer")) == 15)
        self.host.kill()
        for thread in threads:
            thread.join(SECONDS)
        self.assertEqual([type(error) for error in ended], [backplane.UnreachableError] * 4)
        self.assertEqual([type(error) for error in asynchronous], [backplane.UnreachableError] * 11)
        until(lambda: "lost" in self.kinds())
        with self.assertRaisesRegex(backplane.UnreachableError, "goes on trying, so call again later"):
            context.call("echo.version")
        self.host.start()
        until(lambda: "connected" in self.kinds())
        self.assertEqual(context.call("echo.version", timeout=SECONDS), {"version": "1.0.0"})
        self.assertEqual((self.kinds()[0], self.kinds()[-1]), ("lost", "connected"))

    def test_listeners_come_back_with_one_gap_before_new_events(self):
        context = self.connect()
        came = []
        listener = context.on("timer.*", lambda event: came.append(event.payload["message"]), came.append)
        events = self.enterContext(context.events("timer.*", came.append))
        context.call("timer.echo", {"message": "before", "delay_ms": 0})
        until(lambda: came == ["before"])
        self.host.kill()
        until(lambda: "lost" in self.kinds())
        late = self.enterContext(context.events("timer.*"))  # comes while there is no connection
        self.host.start()
        until(lambda: "connected" in self.kinds())
        context.call("timer.echo", {"message": "after", "delay_ms": 0})
        until(lambda: len(came) == 3)
        gap = backplane.Gap(0, 0, True)
        self.assertEqual(came, ["before", gap, "after"])
        self.assertEqual((listener.gaps, listener.lost), (1, 0))
        self.assertEqual([events.get(SECONDS).payload["message"] for _ in range(2)], ["before", "after"])
        self.assertEqual(late.get(SECONDS).payload["message"], "after")
        self.assertEqual((events.gaps, late.gaps), (1, 1))

    def test_host_functions_come_back(self):
        context = self.connect()
        context.provide("profile.fetch", lambda user: user["user_id"])
        self.assertEqual(context.call("session.login", {"user_id": "a"})["profile"], "a")
        self.host.kill()
        until(lambda: "lost" in self.kinds())
        self.host.start()
        until(lambda: "connected" in self.kinds())
        self.assertEqual(context.call("session.login", {"user_id": "b"})["profile"], "b")

    def test_it_gives_up_after_its_attempts(self):
        context = self.connect(reconnect=backplane.Reconnect(initial=0.01, maximum=0.02, attempts=2))
        self.host.kill()
        until(lambda: "given_up" in self.kinds())
        self.assertEqual(self.kinds(), ["lost", "waiting", "given_up"])
        with self.assertRaisesRegex(backplane.UnreachableError, "has given up: make a new context"):
            context.call("echo.version")

    def test_without_reconnect_a_lost_connection_stays_lost(self):
        context = self.connect(reconnect=backplane.Reconnect(enabled=False))
        self.host.kill()
        until(lambda: "given_up" in self.kinds())
        self.host.start()
        with self.assertRaises(backplane.UnreachableError):
            context.call("echo.version")

    def test_closing_does_not_wait_for_the_next_attempt(self):
        context = self.connect(reconnect=backplane.Reconnect(initial=30, maximum=30, jitter=0))
        self.host.kill()
        until(lambda: "lost" in self.kinds())
        begin = time.monotonic()
        context.close()
        self.assertLess(time.monotonic() - begin, 10)
        with self.assertRaises(backplane.ClosedError):
            context.call("echo.version")

    def test_bounds_of_reconnect_are_checked(self):
        for wrong in ({"initial": 0}, {"maximum": 4000}, {"factor": 0.5}, {"jitter": 2}):
            with self.assertRaises(ValueError):
                backplane.connect(self.host.socket, reconnect=backplane.Reconnect(**wrong))


class Reloads(unittest.TestCase):
    def test_no_call_is_lost_or_run_twice_while_modules_are_reloaded(self):
        with folder() as work, Host(work, module("timer")) as host, backplane.connect(host.socket) as context:
            stop, done, failed = threading.Event(), [0], []

            def calls():
                while not stop.is_set():
                    try:
                        context.call("timer.echo", {"message": "a", "delay_ms": 1}, timeout=SECONDS)
                        done[0] += 1
                    except backplane.CallError as error:
                        failed.append(error)

            thread = threading.Thread(target=calls)
            thread.start()
            for _ in range(5):
                context.reload("timer")
            stop.set()
            thread.join(SECONDS)
            self.assertEqual(failed, [])
            self.assertGreater(done[0], 0)

    def test_a_reload_that_breaks_the_interface_fails_later_calls_with_what_has_changed(self):
        with folder() as work, Host(work, module("desk_more")) as host, backplane.connect(host.socket) as context:
            running = context.modules()[0]

            class Desk(backplane.Module):
                _INTERFACE = ("desk", running["interface_hash"], running["cddl"])

            desk = Desk(context)
            desk._check()
            context.reload("desk", module("desk"))
            until(lambda: desk._expected.error is not None)
            with self.assertRaises(backplane.InterfaceChangedError) as caught:
                desk._check()
            self.assertIn("desk", str(caught.exception))
            context.reload("desk", module("desk_more"))
            until(lambda: desk._expected.error is None)
            desk._check()

    def test_an_interface_that_differs_or_is_missing_is_told_when_the_client_is_made(self):
        with backplane.embed() as context:
            class Nobody(backplane.Module):
                _INTERFACE = ("nobody", "0123456789abcdef", "nobody.x.request = {}\n")

            class Wrong(backplane.Module):
                _INTERFACE = ("desk", "0123456789abcdef", "desk.nap.request = tstr\n")

            with self.assertRaisesRegex(backplane.NotFoundError, "nobody"):
                Nobody(context)
            context.load(module("desk"))
            try:
                with self.assertRaises(backplane.InterfaceChangedError) as caught:
                    Wrong(context)
                self.assertRegex(str(caught.exception), "desk")
                with self.assertRaises(backplane.InterfaceChangedError):
                    asyncio.run(Wrong.open_async(context))
            finally:
                context.unload("desk")


def run(code, *arguments, seconds=SECONDS, **more):
    """Runs a program of its own."""
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True,
                          timeout=seconds, check=False, **more)


OPEN = """
import asyncio, sys, threading
import backplane
context = backplane.embed()
for name in ("timer", "echo", "session"):
    context.load(f"{sys.argv[1]}/{name}.so")
events = context.on("timer.*", print)
context.provide("profile.fetch", lambda user: threading.Event().wait())
def call(name, payload):
    try:
        context.call(name, payload)
    except backplane.CallError:
        pass
for name, payload in (("session.login", {"user_id": "u"}), ("timer.echo", {"message": "", "delay_ms": 60000})):
    threading.Thread(target=call, args=(name, payload), daemon=True).start()
stream = context.stream("timer.ticks", {"count": 9, "interval_ms": 60000})
async def leave():
    asyncio.ensure_future(context.call_async("timer.echo", {"message": "", "delay_ms": 60000}))
    await asyncio.sleep(0.05)
asyncio.run(leave())
"""


class Exits(unittest.TestCase):
    def test_an_interpreter_that_ends_with_all_open_neither_crashes_nor_hangs(self):
        done = run(OPEN, PLUGINS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = run(OPEN + "raise SystemExit(7)", PLUGINS)
        self.assertEqual((done.returncode, done.stderr), (7, ""))

    def test_it_ends_with_an_open_connection_too(self):
        with folder() as work, Host(work, module("timer")) as host:
            code = ("import sys, threading, time, backplane\n"
                    "context = backplane.connect(sys.argv[1])\n"
                    "listener = context.on('timer.*', print)\n"
                    "def call():\n"
                    "    try:\n"
                    "        context.call('timer.echo', {'message': '', 'delay_ms': 60000})\n"
                    "    except backplane.CallError:\n"
                    "        pass\n"
                    "threading.Thread(target=call, daemon=True).start()\n"
                    "time.sleep(0.05)\n")
            done = run(code, host.socket)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            host.kill()
            code = ("import sys, backplane\n"
                    "states = []\n"
                    "context = backplane.connect(sys.argv[1], reconnect=backplane.Reconnect(initial=60, maximum=60))\n"
                    "print('there', flush=True)\n"
                    "sys.stdin.readline()\n")
            host.start()
            process = subprocess.Popen([sys.executable, "-c", code, str(host.socket)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
            self.assertEqual(process.stdout.readline(), "there\n")
            host.kill()
            process.communicate("\n", timeout=SECONDS)
            self.assertEqual(process.returncode, 0)

    def test_a_handler_that_never_returns_does_not_keep_the_interpreter(self):
        code = ("import sys, threading, time, backplane\n"
                "context = backplane.embed(stop_timeout_ms=100)\n"
                "context.load(sys.argv[1])\n"
                "context.on('*', print)\n"
                "async def call(): await context.call_async('streams.spin', {'us': 60_000_000})\n"
                "import asyncio\n"
                "threading.Thread(target=lambda: asyncio.run(call()), daemon=True).start()\n"
                "time.sleep(0.2)\n")
        done = run(code, module("streams"))
        self.assertIn(done.returncode, (0, 1) if backplane.BACKEND == "ctypes" else (0,), done.stderr)

    def test_ctrl_c_interrupts_a_call_that_waits(self):
        code = ("import sys, backplane\n"
                "context = backplane.embed()\n"
                "context.load(sys.argv[1] + '/timer.so')\n"
                "print('there', flush=True)\n"
                "try:\n"
                "    context.call('timer.echo', {'message': '', 'delay_ms': 60000})\n"
                "except KeyboardInterrupt:\n"
                "    print('interrupted')\n")
        process = subprocess.Popen([sys.executable, "-c", code, str(PLUGINS)], stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "there\n")
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=SECONDS)
        self.assertEqual((process.returncode, out), (0, "interrupted\n"))

    def test_a_forked_child_has_no_context_and_ends_in_peace(self):
        code = ("import os, sys, backplane\n"
                "context = backplane.embed()\n"
                "context.load(sys.argv[1] + '/echo.so')\n"
                "child = os.fork()\n"
                "if child == 0:\n"
                "    try:\n"
                "        context.call('echo.version')\n"
                "    except backplane.CallError as error:\n"
                "        sys.exit(error.status)\n"
                "    sys.exit(1)\n"
                "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (17, 26)\n"
                "assert context.call('echo.version') == {'version': '1.0.0'}\n")
        done = run(code, PLUGINS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_context_that_is_forgotten_warns_and_goes(self):
        code = ("import gc, warnings, backplane\n"
                "with warnings.catch_warnings(record=True) as caught:\n"
                "    warnings.simplefilter('always')\n"
                "    context = backplane.embed()\n"
                "    del context\n"
                "    gc.collect()\n"
                "assert [each.category for each in caught] == [ResourceWarning], caught\n")
        done = run(code)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Stalls(unittest.TestCase):
    def test_python_code_that_keeps_the_gil_does_not_stop_the_host(self):
        """Another program gets its answers while one thread of this one never waits."""
        with folder() as work, backplane.embed() as context:
            context.load(module("timer"))
            listener = context.on("timer.*", lambda event: None)
            with context.serve(work / "s"):
                stop = threading.Event()

                def burn():
                    while not stop.is_set():
                        sum(range(10000))

                threads = [threading.Thread(target=burn) for _ in range(2)]
                for thread in threads:
                    thread.start()
                code = ("import sys, backplane\n"
                        "with backplane.connect(sys.argv[1]) as context:\n"
                        "    for n in range(50):\n"
                        "        context.call('timer.echo', {'message': str(n), 'delay_ms': 0}, timeout=10)\n")
                try:
                    done = run(code, work / "s")
                finally:
                    stop.set()
                    for thread in threads:
                        thread.join()
                self.assertEqual((done.returncode, done.stderr), (0, ""))
            listener.close()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")
    main()
