# SPDX-License-Identifier: Apache-2.0
"""Listeners for which emitters wait: slow, frozen, killed, and refused ones, beside clients that emit and an innocent."""

import json
import os
import pathlib
import threading
import unittest

from harness import Case, memory_of
from raw_client import LISTEN, RawClient, encode

PLUGINS = pathlib.Path(os.environ["BACKPLANE_PLUGINS"])
NEWS = pathlib.Path(os.environ["BACKPLANE_NEWS_MODULE"])
SANITIZED = os.environ["BACKPLANE_SANITIZED"] == "1"  # then the process has other memory than these tests bound
HEARD, REPLY, EVENT, ERROR = 15, 16, 17, 18
INVALID_ARGUMENT = 16


class LosslessFlow(Case):
    def run_host(self, config):
        self.process = self.host("--config", self.write("host.toml", config), modules=(NEWS, PLUGINS / "echo.so"))
        return self.process

    def listen(self, *arguments):
        process = self.spawn("events", "news.*", "--json", *arguments)
        process.wait_err("listening to")
        return process

    def tell(self, events, size, wait_ms=60_000, name="news.tell"):
        """How many events the handler has emitted."""
        return self.bp_json("call", name, json.dumps({"events": events, "size": size, "wait_ms": wait_ms}))["emitted"]

    def lossless_of(self, pattern):
        return [each["lossless"] for each in self.context()["events"]["listeners"] if each["pattern"] == pattern]

    def lossless(self):
        return self.lossless_of("news.*")

    def test_what_emitters_wait_for_reaches_a_frozen_listener_although_others_flood_it(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 65536\nevent_log_events = 4096\n")
        listener = self.listen("--lossless")
        self.listen()
        listener.freeze()
        emitted = {}

        def emit(name):
            emitted[name] = self.tell(3_000, 200, name=name)

        emitters = [threading.Thread(target=emit, args=(name,)) for name in ("news.tell", "news.blocking_tell")]
        for thread in emitters:
            thread.start()
        for _ in range(5):
            report = self.bp_json("bench", "echo.raw", "--payload", "hi", "--raw", "--seconds", "0.2")
            self.assertEqual(report["errors"], 0)
            self.assertEqual(self.tell(20_000, 50, name="news.shout"), 20_000)
        self.assertEqual(emitted, {})
        listener.signal(18)  # SIGCONT
        items, lost = [], 0
        for line in listener.popen.stdout:
            event = json.loads(line)
            if event["event"] == "news.item":
                items.append(event["payload"]["number"])
            elif event["event"] == "backplane.gap":
                lost += event["payload"]["lost"]
            if len(items) == 6_000:
                break
        for thread in emitters:
            thread.join()
        self.assertEqual(emitted, {"news.tell": 3_000, "news.blocking_tell": 3_000})
        self.assertEqual(sorted(items), sorted(2 * list(range(3_000))))
        self.assertGreater(lost, 0, "the flood")
        self.assertEqual(sorted(self.lossless()), [False, True])

    def test_an_emitter_waits_no_longer_than_it_says_and_the_end_of_a_listener_ends_its_wait(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 65536\n")
        listener = self.listen("--lossless")
        listener.freeze()
        self.assertLess(self.tell(10_000, 1_000, wait_ms=300), 10_000)
        done = []
        thread = threading.Thread(target=lambda: done.append(self.tell(1_000, 1_000)))
        thread.start()
        self.eventually("the emitter waits", lambda: self.context()["suspended"]["now"] >= 1)
        self.assertEqual(done, [])
        listener.signal(9)
        thread.join()
        self.assertEqual(done, [1_000])

    def test_a_listener_that_stalls_is_like_any_other_from_then_on(self):
        process = self.run_host("lossless_listeners = 1\nlossless_window_bytes = 65536\nstalled_client_ms = 500\n")
        listener = self.listen("--lossless")
        listener.freeze()
        self.assertEqual(self.lossless(), [True])
        self.assertEqual(self.tell(20_000, 1_000), 20_000)
        self.assertEqual(self.lossless(), [False])
        process.wait_err("not lossless any more")

    def test_a_client_of_the_protocol_gets_no_more_than_it_says_it_has_heard(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 4096\n")
        client = RawClient(self.socket)
        client.send([LISTEN, 1, 7, "news.item", 2])
        self.assertEqual(client.read()[:3], [REPLY, 1, 0])
        client.send([LISTEN, 2, 8, "news.item", 3])
        self.assertEqual(client.read()[:3], [REPLY, 2, INVALID_ARGUMENT])
        done = []
        thread = threading.Thread(target=lambda: done.append(self.tell(200, 100)))
        thread.start()
        heard = unheard = events = 0
        while events < 200:
            frame = client.read()
            self.assertEqual((frame[0], frame[1], frame[2]), (EVENT, 7, 5), "typed and lossless")
            events += 1
            unheard += len(frame[3]) + len(frame[4])
            self.assertLessEqual(unheard, 4096)
            if unheard > 3000:
                client.send([HEARD, 7, unheard])
                client.send([HEARD, 99, 1])  # of no listener: it has ended meanwhile
                heard, unheard = heard + unheard, 0
        thread.join()
        self.assertEqual(done, [200])
        self.assertGreater(heard, 4096)
        client.send([LISTEN, 3, 9, "news.item"])
        self.assertEqual(client.read()[:3], [REPLY, 3, 0])
        client.send([HEARD, 9, 1])
        self.assertEqual(client.read()[0], ERROR)

    def test_a_client_that_lies_about_what_it_has_heard_gains_nothing(self):
        self.run_host("lossless_listeners = 4\nlossless_window_bytes = 65536\nstalled_client_ms = 700\n"
                      "event_output_bytes = 131072\n")
        mute = RawClient(self.socket)  # it says that it hears, but has heard nothing
        mute.send([LISTEN, 1, 7, "news.item", 2])
        eager = RawClient(self.socket)  # it says that it has heard all, and reads nothing
        eager.send([LISTEN, 1, 8, "news.item", 2])
        for client in (mute, eager):
            self.assertEqual(client.read()[:3], [REPLY, 1, 0])
        ended = threading.Event()

        def lie():
            while not ended.wait(0.05):
                mute.send([HEARD, 7, 0])
                eager.send([HEARD, 8, (1 << 64) - 1])

        liar = threading.Thread(target=lie)
        liar.start()
        self.addCleanup(liar.join)
        self.addCleanup(ended.set)
        before = memory_of(self.process.pid)
        self.assertEqual(self.tell(30_000, 1_000), 30_000)
        if not SANITIZED:
            self.assertLess(memory_of(self.process.pid) - before, 32 << 20)
        self.assertEqual(self.lossless_of("news.item"), [False, False])
        self.assertEqual(self.context()["events"]["given_up"], 2)

    def test_one_that_was_given_up_beside_a_healthy_one_costs_no_memory(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 65536\nstalled_client_ms = 500\n"
                      "event_output_bytes = 131072\n")
        healthy, stalled = self.listen("--lossless"), self.listen("--lossless")
        reader = threading.Thread(target=lambda: [None for _ in healthy.popen.stdout], daemon=True)
        reader.start()
        stalled.freeze()
        before = memory_of(self.process.pid)
        self.assertEqual(self.tell(40_000, 1_000), 40_000)
        if not SANITIZED:
            self.assertLess(memory_of(self.process.pid) - before, 32 << 20)
        self.assertEqual(sorted(self.lossless()), [False, True])
        self.assertIn("lossless", self.bp("status")[0])

    def test_emitters_that_wait_for_one_listener_take_turns(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 4096\n")
        listener = self.spawn("events", "news.item", "--lossless", "--json")
        listener.wait_err("listening to")
        threading.Thread(target=lambda: [None for _ in listener.popen.stdout], daemon=True).start()
        counts = {}

        def emit(number, size):
            counts[number] = self.tell(200, size, wait_ms=5_000, name=("news.tell", "news.blocking_tell")[number % 2])

        emitters = [threading.Thread(target=emit, args=(number, size))
                    for number, size in enumerate((10, 2_000, 100, 3_000, 500, 9_000))]
        for thread in emitters:
            thread.start()
        for thread in emitters:
            thread.join()
        self.assertEqual(counts, {number: 200 for number in range(6)})

    def test_a_flood_of_plain_events_to_a_client_that_reads_does_not_look_like_a_stall(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 4096\nstalled_client_ms = 1500\n"
                      "event_output_bytes = 65536\n")
        client = RawClient(self.socket)
        client.send([LISTEN, 1, 7, "news.*", 2])
        self.assertEqual(client.read()[:3], [REPLY, 1, 0])
        ended = threading.Event()
        items = []

        def read():
            while not ended.is_set():
                frame = client.read()
                if frame is None:
                    return
                if frame[0] == EVENT and frame[2] & 4:
                    items.append(frame)
                    client.send([HEARD, 7, len(frame[3]) + len(frame[4])])

        def flood():
            while not ended.is_set():
                self.tell(5_000, 200, name="news.shout")

        threads = [threading.Thread(target=target) for target in (read, flood)]
        for thread in threads:
            thread.start()
        try:
            self.assertEqual(self.tell(100, 1_000, wait_ms=10_000), 100)
            self.eventually("all have come", lambda: len(items) == 100)
            self.assertEqual(self.lossless(), [True])
        finally:
            ended.set()
            self.tell(1, 1, name="news.shout")
            for thread in threads:
                thread.join()

    def test_many_that_wait_for_a_frozen_listener_cost_the_others_no_time(self):
        self.run_host("lossless_listeners = 1\nlossless_window_bytes = 65536\n")
        frozen, healthy = self.listen("--lossless"), self.spawn("events", "news.noise", "--lossless", "--json")
        healthy.wait_err("listening to")
        frozen.freeze()
        client = RawClient(self.socket)
        order = encode({"events": 1, "size": 60_000, "wait_ms": 60_000})
        for number in range(1, 5_001):
            client.call(number, "news.tell", order)
        self.eventually("they wait", lambda: self.context()["suspended"]["now"] > 4_000)
        blocked = self.context()["events"]["would_block"]
        report = self.bp_json("bench", "echo.raw", "--payload", "hi", "--raw", "--seconds", "1")
        self.assertEqual(report["errors"], 0)
        self.assertLess(self.context()["events"]["would_block"] - blocked, 10_000, "tries that find no room")
        client.close()

    def test_it_must_be_allowed(self):
        self.run_host("")
        self.assertIn("lossless_listeners", self.refused(1, "events", "--lossless", "news.*"))

    def test_a_connection_has_so_many_and_no_more(self):
        self.run_host("lossless_listeners = 2\n")
        self.listen("--lossless")
        self.assertIn("lossless_listeners", self.refused(1, "events", "--lossless", "a.*", "b.*", "c.*"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
