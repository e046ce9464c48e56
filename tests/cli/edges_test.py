# SPDX-License-Identifier: Apache-2.0
"""What stands at the edges: readers that leave or wait, input without end, files that lie, text that forges lines."""

import array
import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import termios
import tomllib
import unittest

from harness import EXE, FIXTURE, PLUGINS, Case, memory_of

BROKEN = pathlib.Path(os.environ["BACKPLANE_BROKEN_MODULES"])


def nested(levels):
    return "[" * levels + "1" + "]" * levels


class Output(Case):
    def test_the_exit_code_is_the_same_though_nobody_reads_the_report(self):
        self.host(modules=(BROKEN / "unload_never.so",))
        unload = self.spawn("unload", "unload_never")
        unload.popen.stdout.close()
        self.assertEqual(unload.popen.wait(60), 1)

    def test_a_reader_that_is_late_gets_all_of_an_answer_though_stdout_is_non_blocking(self):
        self.host()
        text = json.dumps("x" * 300_000)
        ours, theirs = os.pipe()
        fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
        call = subprocess.Popen([EXE, "call", "cli_fixture.back", "-"], env=self.environment, stdin=subprocess.PIPE,
                                stdout=theirs, stderr=subprocess.PIPE)
        self.addCleanup(call.kill)
        os.close(theirs)
        call.stdin.write(text.encode())
        call.stdin.close()
        size = fcntl.fcntl(ours, fcntl.F_GETPIPE_SZ)

        def waits():
            waiting = array.array("i", [0])
            fcntl.ioctl(ours, termios.FIONREAD, waiting)
            asleep = "poll" in pathlib.Path(f"/proc/{call.pid}/wchan").read_text()
            return call.poll() is not None or (waiting[0] == size and asleep)
        self.eventually("it waits for the reader", waits)
        with os.fdopen(ours, "rb") as file:
            self.assertEqual(file.read().decode(), text + "\n")
        self.assertEqual(call.wait(60), 0, call.stderr.read())
        call.stderr.close()

    def test_events_that_nobody_reads_are_bounded(self):
        self.host()
        events = self.spawn("events", "cli_fixture.blurted", "--json")
        events.wait_err("listening to")
        payload = self.write("payload.json", json.dumps("x" * 1_000_000))
        before = memory_of(events.pid)
        for _ in range(200):
            self.bp("call", "cli_fixture.say", "@" + payload)
        self.assertLess(memory_of(events.pid), before + (150 << 20))


class Input(Case):
    def test_input_without_end_stops_at_a_limit_that_is_named(self):
        yes = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
        self.addCleanup(yes.kill)
        done = subprocess.run([EXE, "call", "echo.raw", "-", "--raw"], env=self.environment, stdin=yes.stdout,
                              capture_output=True, timeout=60)
        yes.stdout.close()
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(b"stdin has more than 64 MiB, which is the limit", done.stderr)

    def test_json_without_end_stops_too(self):
        with open("/dev/zero", "rb") as zero:
            done = subprocess.run([EXE, "call", "echo.raw", "-"], env=self.environment, stdin=zero, capture_output=True,
                                  timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(b"stdin has more than 256 MiB, which is the limit", done.stderr)

    def test_a_configuration_file_without_end_stops_too(self):
        self.assertIn("more than 16 MiB", self.refused(2, "run", "--config", "/dev/zero"))

    def test_a_writer_that_is_late_is_waited_for_though_stdin_is_non_blocking(self):
        self.host()
        theirs, ours = os.pipe()
        fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
        call = subprocess.Popen([EXE, "call", "cli_fixture.back", "-"], env=self.environment, stdin=theirs,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(call.kill)
        os.close(theirs)
        self.eventually("it waits for the writer", lambda: "poll" in pathlib.Path(f"/proc/{call.pid}/wchan").read_text() or
                        call.poll() is not None)
        os.write(ours, b'"late"')
        os.close(ours)
        out, err = call.communicate(timeout=60)
        self.assertEqual((call.returncode, out), (0, b'"late"\n'), err)

    def test_what_shows_nothing_before_json_is_named(self):
        for text, name in [("\ufeff1", "U+FEFF (byte order mark)"), ("\u00a01", "U+00A0 (no-break space)"),
                           ("\u200b1", "U+200B (zero width space)")]:
            self.assertIn(f"did not expect {name}", self.refused(2, "call", "a.b", text))


class Forgery(Case):
    """Texts of a module that look like other lines, or would steer a terminal."""

    SHOWN = r"\x0aforged  call  \x1b[2Jkv\u009b \u202e\u2028"

    def bare(self, text):
        for character in ("\x1b", "\x9b", "\u202e", "\u2028", "\nforged"):
            self.assertNotIn(character, text)
        return text

    def test_they_are_shown_escaped_by_every_command_and_in_the_log(self):
        host = self.host(modules=())
        file = str(BROKEN / "forger.so")
        self.assertIn("version    1" + self.SHOWN, self.bare(self.bp("inspect", file)[0]))
        out, err = self.bp("load", file)
        self.assertEqual(self.bare(out), f"loaded forger 1{self.SHOWN}, generation 1: forger.fail, forger.long\n")
        self.assertIn(f'the unknown key "key{self.SHOWN}"', self.bare(err))
        self.assertEqual(len(self.bare(self.bp("ls")[0]).splitlines()), 3)
        details = self.bare(self.bp("ls", "forger")[0])
        self.assertIn("summary     fine" + self.SHOWN, details)
        self.assertTrue(details.endswith("forger.fail.request = any\n; \\x1b[2J\n"), details)
        err = self.refused(1, "call", "forger.fail")
        self.assertEqual(self.bare(err), f"backplane: io: broken{self.SHOWN}\n")
        self.bare(self.bp("call", "forger.fail", "--json", code=1)[1])
        self.assertIn("told" + self.SHOWN + r"\xff", self.bare(host.wait_err("told")))
        self.bare(self.bp("status")[0])
        # JSON has them as they are.
        module, = json.loads(self.bare(self.bp("ls", "--json")[0]))["modules"]
        self.assertEqual(module["version"], "1\nforged  call  \x1b[2Jkv\x9b \u202e\u2028")

    def test_long_texts_are_cut_and_counted(self):
        self.host(modules=(BROKEN / "forger.so",))
        err = self.refused(1, "call", "forger.long")
        self.assertEqual(err, f"backplane: io: {'x' * 16384} ... (2983616 bytes more)\n")
        message = json.loads(self.bp("call", "forger.long", "--json", code=1)[1])["error"]["message"]
        self.assertEqual(message, "x" * 3_000_000)

    def test_a_path_that_is_not_utf_8_is_loaded_listed_and_shown(self):
        self.host(modules=())
        path = os.fsencode(self.dir) + b"/caf\xe9\n\x1b.so"
        shutil.copy(FIXTURE, path)
        shown = self.dir + r"/caf\xe9\x0a\x1b.so"
        self.assertIn("loaded cli_fixture", self.bp("load", path)[0])
        self.assertIn(shown, self.bp("ls", "cli_fixture")[0])
        module, = self.bp_json("ls")["modules"]
        self.assertEqual(module["path"], {"$bytes": base64.b64encode(path).decode()})
        self.assertIn("reloaded", self.bp("reload", "cli_fixture")[0])
        self.assertIn(shown, self.bp("inspect", path)[0])
        self.assertIn("already loaded (generation 2, from " + shown, self.refused(5, "load", FIXTURE))
        os.remove(path)
        self.assertIn(shown, self.refused(5, "load", path))


class Configuration(Case):
    def check(self, code, text):
        file = self.write("host.toml", text)
        return self.refused(code, "run", "--check-config", "--config", file)

    def test_keys_and_tables_and_arrays_are_bounded_in_depth_together(self):
        head = f'[modules.cli_fixture]\npath = "{FIXTURE}"\n'
        dotted = ".".join(["a"] * 100_000)
        for text in (f"[modules.cli_fixture.config]\n{dotted} = 1\n", f"[{dotted}]\n", f"{dotted} = 1\n",
                     "[modules.cli_fixture.config]\na = " + "{b = " * 80 + "1" + "}" * 80 + "\n",
                     "[modules.cli_fixture.config]\na = " + "{b.c.d = " * 30 + "1" + "}" * 30 + "\n",
                     "[modules.cli_fixture.config]\na = " + "[" * 80 + "1" + "]" * 80 + "\n",
                     "[modules.cli_fixture.config]\na = " + nested(64) + "\n"):
            err = self.check(2, head + text)
            self.assertRegex(err, r"host\.toml:[345]:\d+: ")
            self.assertIn("nested too deeply", err)

    def test_the_deepest_configuration_reaches_its_module(self):
        keys = ".".join(["a"] * 33)
        value = nested(31)
        file = self.write("host.toml", f'[modules.cli_fixture]\npath = "{FIXTURE}"\n[modules.cli_fixture.config]\n'
                                       f'{keys} = {value}\n"b.c" = 1.5 # a.b.c\nd = """\n[a.b]\n\\"""."""\n')
        self.host("--config", file, modules=(FIXTURE,))
        got = json.loads(self.bp("call", "cli_fixture.config")[0])
        self.assertEqual((got["b.c"], got["d"]), (1.5, '[a.b]\n""".'))
        for _ in range(33):
            got = got["a"]
        self.assertEqual(json.dumps(got), value)
        # One level more is refused, as --config of load refuses it.
        self.check(2, f'[modules.cli_fixture]\npath = "{FIXTURE}"\nconfig.{keys}.a = {value}\n')
        self.bp("unload", "cli_fixture")
        self.bp("load", FIXTURE, "--config", '{"a": ' + nested(63) + "}")
        self.bp("unload", "cli_fixture")
        self.refused(2, "load", FIXTURE, "--config", '{"a": ' + nested(64) + "}")

    def test_a_zero_byte_in_a_path_is_refused_with_its_place(self):
        for key in ('socket = "a\\u0000x"', 'data_dir = "mods\\u0000x"', 'allowed_dirs = ["mods\\u0000x"]',
                    'module_dirs = ["mods\\u0000x"]', '[modules.a]\npath = "a\\u0000b"'):
            err = self.check(2, key + "\n")
            self.assertRegex(err, r"host\.toml:[12]:\d+: ")
            self.assertIn("zero byte", err)

    def test_check_config_finds_what_run_would_refuse_of_the_file_system(self):
        del self.environment["BACKPLANE_SOCKET"]
        self.write("file", "")
        os.makedirs(self.path("other"))
        module = f"\n[modules.cli_fixture]\npath = '{FIXTURE}'\n"
        long = self.path("x" * 120)
        for text, part in [(f"socket = '{long}'", "at most 107"), ("socket = 'file'", "not a socket"),
                           ("socket = 'a/b/c.sock'", "cannot be made"), ("socket = 'file/x.sock'", "cannot be made"),
                           ("data_dir = 'file'", "cannot be used"), ("data_dir = 'file/x/y'", "cannot be used"),
                           ("answer_output_bytes = 70000", "at least output_bytes, which is 67108864 by default"),
                           ("memory_limit = 67108864\nlog_queue_bytes = 67108865", "at most memory_limit"),
                           ("context_memory = 1048576\nframe_bytes = 2097152", "at most context_memory")]:
            with self.subTest(text):
                self.assertIn(part, self.check(2, f"socket = 's'\n{text}{module}" if "socket" not in text else text + module))
        self.assertIn("outside allowed_dirs", self.check(5, f"socket = 's'\nallowed_dirs = ['other']{module}"))
        copy = shutil.copy(FIXTURE, self.path("other/mine.so"))
        os.chmod(copy, 0o4755)
        module = f"\n[modules.cli_fixture]\npath = '{copy}'\n"
        self.assertIn("setuid", self.check(5, f"socket = 's'{module}"))
        os.chmod(copy, 0o755)
        os.chmod(self.path("other"), 0o777)
        self.assertIn("write to its directory", self.check(5, f"socket = 's'{module}"))
        os.chmod(self.path("other"), 0o755)
        self.bp("run", "--check-config", "--config", self.write("host.toml", f"socket = 'new/s'\ndata_dir = 'a/b/c'{module}"))
        self.assertFalse(os.path.exists(self.path("new")))
        self.assertFalse(os.path.exists(self.path("a")))

    def test_print_config_shows_what_is_in_force_and_where_it_comes_from_and_is_a_file_itself(self):
        file = self.write("host.toml", f"""data_dir = "d"
log_level = "error"
trial_load = false
output_bytes = 100_000
fiber_limit = -1
on_event_overflow = "refuse"
[modules.cli_fixture]
path = '{FIXTURE}'
config = {{ legs = 4, "a b" = [1.5, "x\\u0007", {{}}], since = 2024-02-29 }}
[modules.kv]
load = false
""")
        self.environment["BACKPLANE_LOG_FORMAT"] = "json"
        arguments = ("--log-level", "warn", "--module", str(PLUGINS / "echo.so"))
        out, err = self.bp("run", "--config", file, "--print-config", *arguments)
        self.assertEqual(err, "")
        for line in (f'socket = "{self.socket}"  # $BACKPLANE_SOCKET', f'data_dir = "{self.path("d")}"  # {file}:1:12',
                     'log_level = "warn"  # --log-level', 'log_format = "json"  # $BACKPLANE_LOG_FORMAT',
                     f"output_bytes = 100000  # {file}:4:16", f"trial_load = false  # {file}:3:14", "# answer_output_bytes = 1600000  # default",
                     f"fiber_limit = -1  # {file}:5:15", f'on_event_overflow = "refuse"  # {file}:6:21',
                     f'path = "{FIXTURE}"  # {file}:8:8', f'path = "{PLUGINS / "echo.so"}"  # --module',
                     "# call_depth = 64  # default", "# cpu_warning_ms = 500  # default"):
            self.assertIn(line + "\n", out)
        del self.environment["BACKPLANE_LOG_FORMAT"]
        again, _ = self.bp("run", "--config", self.write("again.toml", out), "--print-config")
        self.assertEqual(tomllib.loads(again), tomllib.loads(out))
        host = self.spawn("run", "--config", self.path("again.toml"), "--log-level", "info")
        host.wait_err("ready on")
        self.assertEqual(json.loads(self.bp("call", "cli_fixture.config")[0]),
                         {"legs": 4, "a b": [1.5, "x\u0007", {}], "since": "2024-02-29"})

    def test_print_config_has_the_further_sockets(self):
        file = self.write("host.toml", """module_dirs = []
[[listen]]
path = "a.sock"
[[listen]]
path = "b.sock"
mode = 0o660
may = ["call", "observe"]
""")
        out, _ = self.bp("run", "--config", file, "--print-config")
        self.assertEqual(tomllib.loads(out)["listen"],
                         [{"path": self.path("a.sock"), "mode": 0o600, "may": ["call", "observe", "manage"]},
                          {"path": self.path("b.sock"), "mode": 0o660, "may": ["call", "observe"]}])
        again, _ = self.bp("run", "--config", self.write("again.toml", out), "--print-config")
        self.assertEqual(tomllib.loads(again)["listen"], tomllib.loads(out)["listen"])

    def test_print_config_knows_every_key(self):
        with open(os.path.join(os.path.dirname(__file__), "../../docs/cli.md"), encoding="utf-8") as page:
            example = page.read().split("```toml\n")[1].split("```")[0]
        keys = set(tomllib.loads(example)) - {"modules", "allowed_dirs", "listen"}
        out, _ = self.bp("run", "--module", FIXTURE, "--print-config")
        shown = {line.removeprefix("# ").split()[0] for line in out.splitlines() if line and not line.startswith("[")}
        self.assertEqual(keys - shown, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
