# SPDX-License-Identifier: Apache-2.0
"""Calls: payloads in, answers out, errors, deadlines, Ctrl-C."""

import base64
import json
import os
import pty
import signal
import subprocess
import time
import unittest

from harness import EXE, PLUGINS, Case


class Call(Case):
    def setUp(self):
        super().setUp()
        self.host_process = self.host()

    def test_an_answer_is_one_line_of_json_and_nothing_on_stderr(self):
        self.assertEqual(self.bp("call", "cli_fixture.version"), ('"1.0"\n', ""))

    def test_json_comes_back_as_it_went(self):
        for payload in ['{"a":[1,2.0,"é",null,true]}', "18446744073709551615", "9007199254740993", "-5",
                        '{"$bytes":"AQI="}', '{"$float":"nan"}', '{"$map":[[1,2]]}', '{"$tag":[32,"x"]}', "[]"]:
            self.assertEqual(self.bp("call", "cli_fixture.back", "--", payload)[0], payload + "\n")

    def test_the_payload_comes_from_a_file_or_from_stdin(self):
        file = self.write("payload.json", '{"from": "file"}\n')
        self.assertEqual(self.bp("call", "cli_fixture.back", "@" + file)[0], '{"from":"file"}\n')
        self.assertEqual(self.bp("call", "cli_fixture.back", "-", stdin=b'{"from": "stdin"}')[0], '{"from":"stdin"}\n')

    def test_without_a_payload_the_empty_map_is_sent(self):
        self.assertEqual(self.bp("call", "cli_fixture.back")[0], "{}\n")

    def test_raw_bytes_pass_as_they_are(self):
        data = bytes(range(256)) * 4096  # a megabyte
        with open(self.path("photo"), "wb") as file:
            file.write(data)
        for operand, stdin in [("-", data), ("@" + self.path("photo"), b"")]:
            out, _ = self.bp("call", "cli_fixture.back", operand, "--raw", stdin=stdin)
            self.assertEqual(out.encode(errors="surrogateescape"), data)

    def test_an_answer_that_is_no_cbor_is_shown_in_base64_and_can_be_sent_back(self):
        out, err = self.bp("call", "cli_fixture.back", "-", "--raw", stdin=b"\xff\x00")
        out, err = self.bp("call", "cli_fixture.back", '{"$raw": "/wA="}')
        self.assertEqual(out, '{"$raw":"/wA="}\n')
        self.assertIn("the answer (2 bytes) is not CBOR: ", err)
        self.assertEqual(self.bp("call", "cli_fixture.back", '{"$raw": ""}', "--json"), ('{"$raw":""}\n', ""))

    def test_a_large_answer_is_written_whole_whether_it_is_cbor_or_not(self):
        count = 3_000_000
        array = b"\x9a" + count.to_bytes(4, "big") + b"\xf6" * count
        file = self.write("payload.json", json.dumps({"$raw": base64.b64encode(array).decode()}))
        self.assertEqual(self.bp("call", "cli_fixture.back", f"@{file}")[0], "[" + ",".join(["null"] * count) + "]\n")
        cut = base64.b64encode(array[:-1]).decode()
        file = self.write("payload.json", json.dumps({"$raw": cut}))
        out, err = self.bp("call", "cli_fixture.back", f"@{file}")
        self.assertEqual(out, f'{{"$raw":"{cut}"}}\n')
        self.assertIn("is not CBOR", err)

    def test_partial_answers_are_lines_of_their_own(self):
        self.assertEqual(self.bp("call", "cli_fixture.parts")[0], "1\n2\n3\n")
        self.assertEqual(self.bp("call", "cli_fixture.parts", "--raw")[0], "\x01\x02\x03")

    def test_an_error_of_the_plugin_is_told_with_its_detail_and_cannot_steer_the_terminal(self):
        err = self.refused(1, "call", "cli_fixture.refuse")
        self.assertEqual(err, 'backplane: module (1007): the service is \\x1b[31mclosed\n  detail: {"at":9}\n')
        out, err = self.bp("call", "cli_fixture.refuse", "--json", code=1)
        self.assertEqual((out, json.loads(err)), ("", {"error": {
            "exit": 1, "code": "module", "status": 1007, "message": "the service is \x1b[31mclosed", "detail": {"at": 9}}}))

    def test_an_unknown_wire_name_is_an_error_and_the_nearest_is_named(self):
        self.assertIn("did you mean cli_fixture.version?", self.refused(1, "call", "cli_fixture.versoin"))
        self.assertIn("did you mean cli_fixture.version?", self.refused(1, "call", "version"))
        self.assertIn("? backplane ls lists all names\n", self.refused(1, "call", "version"))
        self.assertIn("hint: backplane ls lists all names\n", self.refused(1, "call", "nobody.home"))
        self.assertIn("nobody.home", self.refused(1, "call", "nobody.home"))
        self.refused(1, "call", "No Name")

    def test_a_module_that_is_gone_is_to_be_loaded_and_its_own_name_is_no_suggestion(self):
        self.bp("unload", "cli_fixture")
        err = self.refused(1, "call", "cli_fixture.version")
        self.assertIn("module_gone", err)
        self.assertIn("hint: backplane load FILE loads the module again", err)
        self.assertNotIn("did you mean", err)

    def test_text_without_its_quotes_is_told_how_to_write_them(self):
        err = self.refused(2, "call", "cli_fixture.back", "Ada")
        self.assertIn("""hint: text in JSON needs quotes: '"Ada"'""", err)
        self.assertEqual(self.bp("call", "cli_fixture.back", '"Ada"')[0], '"Ada"\n')
        self.assertNotIn("quotes", self.refused(2, "call", "cli_fixture.back", "{"))

    def test_an_unknown_dollar_form_is_told_all_that_there_are(self):
        self.assertIn('"$raw" for the whole payload', self.refused(2, "call", "cli_fixture.back", '{"$byte": "x"}'))

    def test_a_deadline_ends_a_call_with_4(self):
        self.assertIn("deadline", self.refused(4, "call", "cli_fixture.wait", "--timeout", "50"))
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')

    def test_a_deadline_also_bounds_the_wait_for_a_host_that_stands_still(self):
        self.host_process.freeze()
        began = time.monotonic()
        self.assertIn("did not answer within 50 ms", self.refused(4, "call", "cli_fixture.version", "--timeout", "50"))
        self.assertLess(time.monotonic() - began, 4)
        self.host_process.signal(signal.SIGCONT)

    def test_ctrl_c_cancels_the_call_and_the_host_goes_on(self):
        events = self.spawn("events", "cli_fixture.said")
        events.wait_err("listening to")
        call = self.spawn("call", "cli_fixture.wait")
        events.wait_out("cli_fixture.said")  # the handler runs
        call.signal(signal.SIGINT)
        out, err = self.assert_ends(call, 130)
        self.assertEqual(out, "")
        self.assertIn("canceled", err)
        self.eventually("the handler ends", lambda: self.context()["running"] == 0)

    def test_a_host_that_is_killed_ends_the_open_call_with_3(self):
        events = self.spawn("events", "cli_fixture.said")
        events.wait_err("listening to")
        call = self.spawn("call", "cli_fixture.wait")
        events.wait_out("cli_fixture.said")
        self.host_process.signal(signal.SIGKILL)
        self.assert_ends(call, 3)
        self.assert_ends(events, 3)

    def test_on_a_terminal_the_answer_is_indented_unless_json_is_asked_for(self):
        for flags, expected in [([], '{\n  "a": [\n    1\n  ]\n}\n'), (["--json"], '{"a":[1]}\n')]:
            ours, theirs = pty.openpty()
            try:
                subprocess.run([EXE, "call", "cli_fixture.back", '{"a":[1]}', *flags], env=self.environment, stdout=theirs,
                               check=True, timeout=60)
                self.assertEqual(os.read(ours, 4096).decode().replace("\r\n", "\n"), expected)
            finally:
                os.close(ours)
                os.close(theirs)

    def test_a_reader_that_has_left_is_no_error(self):
        call = self.spawn("call", "cli_fixture.parts")
        call.popen.stdout.close()
        self.assertEqual(call.popen.wait(60), 0)


BUNDLED = [PLUGINS / f"{name}.so" for name in ("echo", "timer", "generator")]


@unittest.skipUnless(all(path.exists() for path in BUNDLED), "echo, timer and generator are not built")
class Bundled(Case):
    def setUp(self):
        super().setUp()
        self.host(modules=BUNDLED)

    def test_a_payload_of_the_wrong_shape_is_the_plugins_answer(self):
        self.assertIn("text", self.refused(1, "call", "echo.shout", "{}"))
        self.assertIn("txt", self.refused(1, "call", "echo.shout", '{"text": "a", "txt": "b"}'))
        self.assertIn("expected", self.refused(1, "call", "echo.shout", "[]"))
        err = self.refused(1, "call", "timer.complex",
                           '{"messages":[{"message":"a","delay_ms":1},{"message":"b","delay_ms":"x"}],"tags":[]}')
        self.assertIn("messages[1].delay_ms", err)

    def test_echo_and_timer_answer(self):
        self.assertEqual(json.loads(self.bp("call", "echo.shout", '{"text": "hi"}')[0])["shouted"], "HI")
        out, _ = self.bp("call", "timer.ticks", '{"count": 3, "interval_ms": 1}')
        self.assertEqual(out.count("\n"), 4)
        for line in out.splitlines():
            json.loads(line)

    def test_a_call_that_answers_in_parts_is_not_said_to_be_still_running(self):
        out, err = self.bp("call", "timer.ticks", '{"count": 30, "interval_ms": 100}')
        self.assertEqual(out.count("\n"), 31)
        self.assertNotIn("still running", err)

    def test_generator_answers_in_parts_and_refuses_what_is_out_of_bounds(self):
        out, _ = self.bp("call", "generator.primes", '{"count": 3}')
        self.assertEqual([json.loads(line) for line in out.splitlines()],
                         [{"prime": 2}, {"prime": 3}, {"prime": 5}, {"count": 3, "last": 5}])
        out, _ = self.bp("call", "generator.zip", '{"left": [1], "right": ["b", null]}')
        self.assertEqual(json.loads(out), {"items": [1, "b", None]})
        self.assertIn("expected 1 to 10000, got 0", self.refused(1, "call", "generator.chain", '{"stages":0,"values":[]}'))


if __name__ == "__main__":
    unittest.main(verbosity=2)
