# SPDX-License-Identifier: Apache-2.0
"""A program that answers host functions for `backplane provide`, one that ends, and one that is wrong."""

import json
import signal
import sys
import textwrap
import unittest

from harness import PLUGINS, Case

FETCH_TIMEOUT_MS = 5000  # session's default
LOGIN = ("call", "session.login", '{"user_id": "ada"}')


class Provide(Case):
    def setUp(self):
        super().setUp()
        self.host_process = self.host(modules=(PLUGINS / "session.so", PLUGINS / "echo.so"))

    def program(self, body):
        """A program that does `body` with each `call`; answer(…) writes an answer to it."""
        text = """
            import json, os, sys, threading, time
            def answer(call, **members):
                print(json.dumps({"id": call["id"], **members}), flush=True)
            for line in sys.stdin:
                call = json.loads(line)
        """
        path = self.write("program.py", textwrap.dedent(text) + textwrap.indent(textwrap.dedent(body), "    "))
        return f"exec {sys.executable} -u {path}"

    def provide(self, command, *functions):
        flags = [flag for name in functions or ("profile.fetch",) for flag in ("--function", name)]
        process = self.spawn("provide", *flags, "--exec", command)
        process.wait_err("providing ")
        return process

    def log_in(self):
        return self.bp_json(*LOGIN)

    def test_a_program_answers_calls_of_a_function(self):
        process = self.provide(self.program("""
            sys.stderr.write(line)
            answer(call, ok={"name": call["payload"]["user_id"].title(), "é": [1, None, 2.5]})
        """))
        self.assertEqual(self.log_in(), {"user_id": "ada", "profile": {"name": "Ada", "é": [1, None, 2.5]}})
        line = json.loads(process.wait_err('{"id"'))
        self.assertEqual(line, {"id": 1, "name": "profile.fetch", "payload": {"user_id": "ada"},
                                "timeout_ms": FETCH_TIMEOUT_MS})
        process.signal(signal.SIGINT)
        self.assert_ends(process, 0)
        self.eventually("it is withdrawn", lambda: "no_host_function" in self.bp(*LOGIN, code=1)[1])

    def test_an_error_has_status_message_and_detail(self):
        self.provide(self.program("""answer(call, status=1007, message="no such user", detail={"user": "ada"})"""))
        error = json.loads(self.bp(*LOGIN, "--json", code=1)[1])["error"]
        self.assertEqual((error["status"], error["message"], error["detail"]), (1007, "no such user", {"user": "ada"}))

    def test_several_calls_are_answered_at_once_and_in_any_order(self):
        self.provide(self.program("""
            held = globals().setdefault("held", [])
            held.append(call)
            if len(held) == 3:
                for each in reversed(held):
                    answer(each, ok=each["payload"]["user_id"])
                held.clear()
        """))
        calls = [self.spawn("call", "session.login", json.dumps({"user_id": user}), "--json") for user in ("a", "b", "c")]
        for user, call in zip("abc", calls):
            self.assertEqual(json.loads(self.assert_ends(call, 0)[0]), {"user_id": user, "profile": user})

    def test_the_bound_of_a_call_is_told_and_late_answers_are_ignored(self):
        process = self.provide(self.program("""
            sys.stderr.write(line)
            if call["id"] == 1:
                time.sleep(1)
            answer(call, ok=call.get("timeout_ms", "none"))
        """))
        self.bp(*LOGIN, "--timeout", "200", code=4)
        self.assertLessEqual(json.loads(process.wait_err('{"id": 1,'.replace(" ", "")))["timeout_ms"], 200)
        self.assertEqual(self.log_in()["profile"], FETCH_TIMEOUT_MS, "the module's own bound")

    def test_a_program_that_ends_is_started_again_and_its_calls_end(self):
        process = self.provide(self.program("""
            if call["payload"]["user_id"] == "ada":
                os._exit(3)
            answer(call, ok="alive")
        """))
        err = self.bp(*LOGIN, code=1)[1]
        self.assertIn("provider_lost", err)
        self.assertIn("the program ended with exit code 3 before it answered", err)
        process.wait_err("the program ended with exit code 3; it is started again in 100 ms")
        # What comes meanwhile waits for the next one.
        self.assertEqual(self.bp_json("call", "session.login", '{"user_id": "eve"}')["profile"], "alive")
        self.bp(*LOGIN, code=1)
        process.wait_err("it is started again in 200 ms")

    def test_a_command_that_does_not_exist_is_tried_again(self):
        process = self.provide("no-such-program-anywhere")
        process.wait_err("the program ended with exit code 127; it is started again in 200 ms")
        self.assertIn("deadline", self.bp(*LOGIN, "--timeout", "100", code=4)[1])

    def test_lines_that_are_no_answers_are_noted_and_end_the_call_that_they_name(self):
        process = self.provide(self.program("""
            print("hello")
            print("[1]")
            print(json.dumps({"id": 99, "ok": 1}))
            print()
            answer(call, ok=1, status=2)
        """))
        err = self.bp(*LOGIN, code=1)[1]
        self.assertIn("exception", err)
        self.assertIn("expected either ok or status", err)
        for text in ("a line of the program is no answer: line 1", "it is no object"):
            process.wait_err(text)

    def test_each_wrong_answer_is_an_exception(self):
        for wrong in ("", "status=0", "status=4", "status='x'", "raw='?'", "ok=1, message=7"):
            with self.subTest(wrong):
                process = self.provide(self.program(f"answer(call, {wrong})"))
                self.assertIn("the program's answer is wrong", self.bp(*LOGIN, code=1)[1])
                process.signal(signal.SIGTERM)
                self.assert_ends(process, 0)

    def test_a_payload_that_is_no_cbor_goes_both_ways(self):
        # session.login passes on what it gets, if it is CBOR: a raw answer of one item is.
        self.provide(self.program("""answer(call, raw="gwECAw==")"""))
        self.assertEqual(self.log_in()["profile"], [1, 2, 3])

    def test_a_name_that_is_taken_and_one_that_is_none_are_refused(self):
        self.provide("cat >/dev/null")
        err = self.refused(1, "provide", "--function", "profile.fetch", "--exec", "cat")
        self.assertIn("profile.fetch", err)
        self.assertIn("another connection", err)
        self.assertIn("--function", self.refused(2, "provide", "--function", "no name", "--exec", "cat"))
        self.assertIn("--exec", self.refused(2, "provide", "--function", "a.b"))

    def test_ctrl_c_lets_open_calls_end_and_then_ends_the_program(self):
        process = self.provide(self.program("""
            sys.stderr.write("begun\\n")
            time.sleep(0.5)
            answer(call, ok="in time")
        """))
        call = self.spawn(*LOGIN, "--json")
        process.wait_err("begun")
        process.signal(signal.SIGINT)
        self.assertEqual(json.loads(self.assert_ends(call, 0)[0])["profile"], "in time")
        self.assert_ends(process, 0)

    def test_a_program_that_does_not_end_is_killed_with_what_it_has_started(self):
        process = self.provide("trap '' TERM INT; sleep 1000 & echo $! >pid; wait")
        self.eventually("it has begun", lambda: self.read_pid() is not None)
        process.signal(signal.SIGTERM)
        self.assert_ends(process, 0)
        self.eventually("its child is gone", lambda: not self.is_alive(self.read_pid()))

    def read_pid(self):
        try:
            with open(self.path("pid"), encoding="utf-8") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None

    @staticmethod
    def is_alive(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_the_end_of_the_host_ends_it(self):
        process = self.provide("cat >/dev/null")
        self.bp("stop")
        self.assertIn("has ended or closed the connection", self.assert_ends(process, 3)[1])
        self.refused(3, "provide", "--function", "a.b", "--exec", "cat")


if __name__ == "__main__":
    unittest.main()
