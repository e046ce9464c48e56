# SPDX-License-Identifier: Apache-2.0
"""What hangs is named: the handlers that keep all worker threads, the oldest call, and whose call it is."""

import json
import os
import unittest

from operations_test import STUCK, OperationCase

WORKERS = 4  # of a host that is not told otherwise


class WatchCase(OperationCase):
    def who(self, process):
        return rf"process {process.pid} \(user {os.getuid()}, \w+\)"

    def call_of(self, name):
        return self.spawn("call", name, "1")

    def oldest(self):
        return self.bp_any("status")["contexts"][0]["oldest_call"]

    def bp_any(self, *arguments):
        """A report, whether or not the host responds."""
        process = self.spawn(*arguments, "--json")
        code, out, err = process.end()
        self.assertIn(code, (0, 6), err)
        return json.loads(out)


class Workers(WatchCase):
    def test_all_worker_threads_are_kept_and_calls_wait(self):
        self.stick("worker")
        self.start(modules=[STUCK])
        kept = [self.call_of("stuck.block") for _ in range(WORKERS)]
        self.eventually("they do not run", lambda: self.bp_any("status")["workers"]["running"] == WORKERS)
        waiting = [self.call_of("stuck.work") for _ in range(2)]
        self.eventually("they do not wait", lambda: self.bp_any("status")["workers"]["queued"] == 2)
        self.eventually("nobody is named", lambda: "NOT RESPONDING" in self.looks())
        line = (r"NOT RESPONDING: the worker threads of stuck, in the handler of stuck \(generation 1\), for stuck.block, "
                r"for [\d.]+ s; 2 calls wait\n")
        self.assertRegex(self.looks(), line)
        self.assertRegex(self.soon("ping", code=6)[0], r"^not responding \(pid \d+\)\n" + line)
        self.assertRegex(self.process.wait_err("the worker threads of stuck do not respond"),
                         r" warn watchdog: the worker threads of stuck do not respond, in the handler of stuck \(generation 1\), "
                         r"for stuck.block, for \d+ ms; 2 calls wait$")
        self.assertEqual(self.soon("call", "stuck.echo", "5")[0], "5\n")
        self.release("worker")
        for call in kept + waiting:
            self.assert_ends(call, 0)
        self.process.wait_err("the worker threads of stuck respond again")
        self.eventually("it does not recover", lambda: "NOT RESPONDING" not in self.looks())
        self.bp("stop")
        _, err = self.assert_ends(self.process, 0)
        self.assertEqual(err.count("do not respond"), 1)

    def test_one_worker_that_hangs_is_the_oldest_call_and_the_host_responds(self):
        self.stick("worker")
        self.start(modules=[STUCK])
        kept = self.call_of("stuck.block")
        self.reached("worker")
        for _ in range(2 * WORKERS):
            self.assertEqual(self.bp("call", "stuck.work", "5")[0], "5\n")
        self.assertRegex(self.soon("status")[0],
                         rf"(?m)^context 1: oldest call: stuck.block, of {self.who(kept)}, on a worker, for [\d.]+ s$")
        self.release("worker")
        self.assert_ends(kept, 0)
        self.eventually("it is still there", lambda: self.oldest() is None)


class RequestThread(WatchCase):
    def test_a_handler_that_hangs_is_the_oldest_call(self):
        self.stick("handler")
        self.start(modules=[STUCK])
        call = self.call_of("stuck.hold")
        self.reached("handler")
        line = rf"(?m)^context 1: oldest call: stuck.hold, of {self.who(call)}, running, for [\d.]+ s$"
        self.assertRegex(self.looks(), line)
        self.eventually("it gets no older", lambda: self.oldest()["for_ms"] >= 2000)
        self.release("handler")
        self.assert_ends(call, 0)

    def test_who_asked_for_an_operation_is_told_with_its_user(self):
        self.start()
        events = self.spawn("events", "backplane.module_*", "--json")
        self.eventually("it does not listen", lambda: self.context()["listeners"] == 1)
        load = self.spawn("load", STUCK)
        self.assert_ends(load, 0)
        self.assertRegex(self.process.wait_err("load of"), rf" info modules: load of .* for {self.who(load)}: done, ")
        self.assertRegex(events.wait_out("module_loaded"), self.who(load))
        ended = self.bp_json("status")["operations"][-1]
        self.assertRegex(ended["requester"], rf"^{self.who(load)}$")


if __name__ == "__main__":
    unittest.main()
