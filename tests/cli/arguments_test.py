# SPDX-License-Identifier: Apache-2.0
"""What needs no host: help, usage errors, inspect, --check-config, and an unreachable socket."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from harness import FIXTURE, EXE, MODULES, PLUGINS, Case

COMMANDS = ["run", "call", "ls", "load", "unload", "reload", "events", "provide", "inspect", "status", "stop", "bench",
            "bindgen", "completions", "man"]


class Arguments(Case):
    def test_backplane_alone_teaches_how_to_begin(self):
        out, err = self.bp()
        self.assertEqual(err, "")
        for part in ["backplane run", "backplane call echo.shout", "Exit codes", *COMMANDS]:
            self.assertIn(part, out)
        self.assertEqual(self.bp("--help")[0], out)

    def test_every_command_has_help_with_an_example_and_its_exit_codes(self):
        for command in COMMANDS:
            out, _ = self.bp(command, "--help")
            self.assertIn(f"\n  backplane {command}", out)
            self.assertIn("Exit codes: 0", out)
            self.assertEqual(self.bp("help", command)[0], out)

    def test_the_version_names_library_and_abi(self):
        out, _ = self.bp("--version")
        first, library, modules = out.splitlines()
        self.assertRegex(first, r"^backplane \d+\.\d+\.\d+ \(ABI 1\.0\)$")
        self.assertRegex(library, r"^library  /.*/libbackplane\.so\.[\d.]+$")
        self.assertEqual(modules, f"modules  {os.path.realpath(PLUGINS)}")

    def test_the_version_says_which_of_several_libraries_is_loaded(self):
        library = self.bp_json("--version")["library"]
        other = self.path(os.path.basename(library))
        shutil.copy(library, other)
        os.symlink(other, self.path(".".join(os.path.basename(library).split(".")[:3])))  # as the loader asks for it
        self.environment["LD_LIBRARY_PATH"] = self.dir
        # An executable of the build tree has its library in its runpath, which comes after the variable.
        self.assertEqual(self.bp_json("--version")["library"], os.path.realpath(other))

    def test_the_version_is_json_when_json_is_asked_for(self):
        report = self.bp_json("--version")
        self.assertEqual(report["abi"], "1.0")
        self.assertEqual(report["program"], report["version"])
        self.assertEqual(report["modules"], os.path.realpath(PLUGINS))
        self.assertIn(f"backplane {report['version']} ", self.bp("--version")[0])
        self.assertEqual(json.loads(self.bp("--json", "--version")[0]), report)

    def test_an_unknown_command_is_usage_and_the_nearest_is_named(self):
        self.assertIn("did you mean unload?", self.refused(2, "unlod"))
        self.assertIn("which is not a command", self.refused(2, "frobnicate"))

    def test_wrong_flags_are_usage(self):
        self.assertIn("did you mean --timeout?", self.refused(2, "call", "a.b", "--timout", "1"))
        self.assertIn('found "soon"', self.refused(2, "call", "a.b", "--timeout", "soon"))
        self.assertIn('found "-1"', self.refused(2, "call", "a.b", "--timeout", "-1"))
        self.assertIn("found one operand too many: \"b\"", self.refused(2, "unload", "a", "b"))
        self.assertIn("--help", self.refused(2, "call"))
        self.assertIn("--help", self.refused(2, "load"))
        self.refused(2, "--frob", "ls")
        self.assertIn("expected --socket PATH and then a command", self.refused(2, "--socket"))
        self.assertIn("found no command after --socket", self.refused(2, "--socket", "x"))
        self.assertIn("--timeout needs a value: --timeout MS", self.refused(2, "call", "a.b", "--timeout"))
        self.assertIn("--socket needs a value: --socket PATH", self.refused(2, "ls", "--socket"))

    def test_numbers_out_of_their_range_are_usage_and_the_range_is_told(self):
        for option, wrong, expected in [
                ("--connections", "1025", "from 1 to 1024"), ("--connections", "0", "from 1 to 1024"),
                ("--pipeline", "65537", "from 1 to 65536"), ("--pipeline", "0", "from 1 to 65536"),
                ("--timeout", "4294967296", "from 1 to 4294967295"), ("--timeout", "0", "from 1 to 4294967295"),
                ("--number", "0", "of 1 or more"), ("--number", "18446744073709551616", "of 1 or more"),
                ("--seconds", "1000001", "at most 1000000"), ("--seconds", "0", "above 0"),
                ("--seconds", "nan", "above 0"), ("--seconds", "-1", "above 0")]:
            with self.subTest(option=option, wrong=wrong):
                err = self.refused(2, "bench", "a.b", option, wrong)
                self.assertIn(f'{option}: found "{wrong}"', err)
                self.assertIn(expected, err)
        self.assertIn("from 0 to 4294967295", self.refused(2, "call", "a.b", "--timeout", "4294967296"))

    def test_the_ends_of_a_range_are_taken(self):
        for option, right in [("--connections", "1024"), ("--pipeline", "65536"), ("--timeout", "4294967295"),
                              ("--connections", "1"), ("--timeout", "1"), ("--seconds", "1000000")]:
            with self.subTest(option=option, right=right):
                self.refused(3, "bench", "a.b", option, right)  # nobody listens

    def test_json_that_does_not_parse_is_usage_and_shows_the_place(self):
        err = self.refused(2, "call", "echo.shout", '{"text": }')
        self.assertIn("line 1, column 10", err)
        self.assertIn('\n    {"text": }\n             ^\n', err)
        file = self.write("broken.json", '{\n  "text": "a",\n}')
        self.assertIn("line 3, column 1", self.refused(2, "call", "echo.shout", "@" + file))
        self.assertIn("(stdin)", self.refused(2, "call", "echo.shout", "-", stdin=b"{"))
        self.assertIn("cannot open", self.refused(2, "call", "echo.shout", "@/nowhere.json"))
        self.assertIn("appears twice", self.refused(2, "call", "echo.shout", '{"a":1,"a":2}'))
        self.assertIn("64 bits", self.refused(2, "call", "echo.shout", "18446744073709551616"))

    def test_a_configuration_for_load_must_be_an_object(self):
        self.assertIn("found array", self.refused(2, "load", FIXTURE, "--config", "[]"))
        self.assertIn("line 1", self.refused(2, "load", FIXTURE, "--config", "{"))

    def test_a_socket_nobody_listens_on_is_unreachable_for_every_command(self):
        for arguments in [["call", "a.b"], ["ls"], ["load", FIXTURE], ["unload", "a"], ["reload", "a"], ["events"],
                          ["status"], ["stop"]]:
            err = self.refused(3, *arguments)
            self.assertIn(self.socket, err)
            self.assertIn("backplane run", err)

    def test_a_file_where_a_socket_should_be_is_named_as_such(self):
        err = self.refused(3, "ls", "--socket", self.write("plain", ""))
        self.assertIn("is not a socket: found a file, expected the socket of a host", err)

    def test_an_empty_socket_is_usage_and_not_the_default_one(self):
        for command in (["ls"], ["stop"], ["unload", "cli_fixture"], ["call", "cli_fixture.version"], ["run"]):
            self.assertIn("the socket path is empty", self.refused(2, *command, "--socket", ""), command)

    def test_errors_are_json_when_json_is_asked_for(self):
        error = json.loads(self.refused_json(3, "ls"))["error"]
        self.assertEqual((error["exit"], error["code"], error["status"]), (3, "unreachable", 41))
        self.assertIn(self.socket, error["message"])
        error = json.loads(self.refused_json(2, "lss"))["error"]
        self.assertEqual((error["exit"], error["code"]), (2, "usage"))

    def refused_json(self, code, *arguments):
        out, err = self.bp(*arguments, "--json", code=code)
        self.assertEqual(out, "")
        self.assertEqual(err.count("\n"), 1)
        return err

    def test_the_socket_is_the_flag_then_the_environment_then_the_runtime_directory_then_a_temporary_one(self):
        self.assertIn("/flag.sock", self.refused(3, "ls", "--socket", self.path("flag.sock")))
        self.assertIn("/flag.sock", self.refused(3, "--socket", self.path("flag.sock"), "ls"))
        self.assertIn(self.socket, self.refused(3, "ls"))
        del self.environment["BACKPLANE_SOCKET"]
        self.environment["XDG_RUNTIME_DIR"] = self.path("runtime")
        self.assertIn(self.path("runtime/backplane/backplane.sock"), self.refused(3, "ls"))
        del self.environment["XDG_RUNTIME_DIR"]
        self.assertIn(self.path(f"backplane-{os.geteuid()}/backplane.sock"), self.refused(3, "ls"))

    def test_a_full_disk_under_stdout_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([EXE, "--version"], stdout=full, stderr=subprocess.PIPE, env=self.environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write to stdout: No space left on device", done.stderr)


class ExitCodes(Case):
    PAGE = pathlib.Path(__file__).parents[2] / "docs" / "cli.md"

    def codes(self, text):
        told = text.partition("Exit codes:")[2]
        self.assertTrue(told, text)
        return {int(code) for code in re.findall(r"(?:^|;)\s(\d+)\s", told)}

    def test_the_help_has_the_exit_codes_of_the_page(self):
        table = self.PAGE.read_text(encoding="utf-8").partition("| exit code | meaning |")[2].partition("\n\n")[0]
        all_codes = {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", table)}
        self.assertEqual(all_codes, {0, 1, 2, 3, 4, 5, 6, 130})
        out, _ = self.bp("--help")
        self.assertEqual(self.codes(out), all_codes)
        commands = re.findall(r"(?m)^  (\w+) {2,}\S", out.partition("Commands:\n")[2].partition("\n\n")[0])
        self.assertIn("ping", commands)
        for command in commands:
            with self.subTest(command):
                out, _ = self.bp(command, "--help")
                codes = self.codes(out)
                self.assertLessEqual({0, 2}, codes)
                self.assertLessEqual(codes, all_codes)
                self.assertEqual("--socket" in out and command not in ("run", "completions"), 3 in codes)
                self.assertEqual("--timeout" in out and command != "try", 4 in codes)  # of try, it is a refusal
                self.assertEqual(command in ("status", "ping"), 6 in codes)


class Inspect(Case):
    def test_inspect_shows_the_manifest(self):
        report = self.bp_json("inspect", FIXTURE)
        self.assertEqual((report["name"], report["version"], report["unload"]), ("cli_fixture", "1.0", "drain"))
        self.assertIn("cli_fixture.refuse", report["provides"])
        self.assertIn("cli_fixture.version.request = any", report["cddl"])
        out, _ = self.bp("inspect", FIXTURE)
        self.assertIn("answers in every way there is", out)
        self.assertIn("cli_fixture.version.reply = tstr", out)

    def test_inspect_runs_no_code_of_a_module_whose_constructor_aborts(self):
        self.assertEqual(self.bp_json("inspect", str(MODULES / "cli_fixture_aborts.so"))["name"], "cli_fixture")

    def test_inspect_of_what_is_no_module_is_refused(self):
        self.assertIn("text.so", self.refused(5, "inspect", self.write("text.so", "no ELF")))
        self.refused(5, "inspect", "/lib/x86_64-linux-gnu/libc.so.6")
        self.assertIn("nowhere.so", self.refused(5, "inspect", self.path("nowhere.so")))


class CheckConfig(Case):
    def check(self, text, code=2):
        out, err = self.bp("run", "--check-config", "--config", self.write("host.toml", text), code=code)
        self.assertEqual(out, "")
        return err

    def test_a_sound_configuration_is_told_and_nothing_is_made(self):
        err = self.check(f'data_dir = "data"\n[modules.cli_fixture]\npath = "{FIXTURE}"\nconfig = {{ legs = 4 }}\n', code=0)
        self.assertIn("the configuration is valid: 1 module (cli_fixture)", err)
        self.assertEqual(os.listdir(self.dir), ["host.toml"])

    def test_a_library_that_a_module_needs_and_nobody_has_is_told_as_inspect_tells_it(self):
        lost = pathlib.Path(self.path("lost.so"))
        needed = self.bp_json("inspect", FIXTURE)["libraries"][0]["name"]
        nobodys = "nobodys-library"[:len(needed)].ljust(len(needed), "q")
        lost.write_bytes(pathlib.Path(FIXTURE).read_bytes().replace(f"\0{needed}\0".encode(), f"\0{nobodys}\0".encode()))
        lost.chmod(0o755)
        problem = self.bp_json("inspect", str(lost))["problem"]
        self.assertIn(f"its library {nobodys} was not found", problem)
        err = self.check(f'data_dir = "data"\n[modules.cli_fixture]\npath = "{lost}"\n', code=5)
        self.assertIn(f"{lost}: {problem}", err)
        self.assertIn("host.toml:3:8: ", err)

    def test_what_is_wrong_is_told_with_line_and_column(self):
        for text, parts in [
            ("socket = \n", ["host.toml:1:"]),
            ("sockt = 'x'\n", ["host.toml:1:1: unknown key \"sockt\"; did you mean socket?; backplane run --help and "
                               "docs/cli.md list the keys\n"]),
            ("[modules.a]\nwork = 1\n", ["host.toml:2:1: unknown key \"work\" in modules.a", "expected one of: path, "
                                          "load, config, unload, workers, stack_size, strict\n"]),
            ("\n  socket = 5\n", ["host.toml:2:", "socket: found an integer, expected a non-empty string"]),
            ("workers = 0\n", ["host.toml:1:11: workers: found 0, expected an integer from 1 to 256"]),
            ("workers = 1.5\n", ["host.toml:1:11: workers: found a float, expected an integer from 1 to 256"]),
            ("fiber_stack_size = 16383\n", ["host.toml:1:20: fiber_stack_size: found 16383, expected bytes, an integer "
                                            "from 16384 to 1073741824"]),
            ("fiber_stack_size = 1073741825\n", ["found 1073741825, expected bytes"]),
            ("fiber_stack_size = '1 MiB'\n", ["fiber_stack_size: found a string, expected bytes"]),
            ("fiber_limit = 0\n", ["host.toml:1:15: fiber_limit: found 0, expected an integer from 1 to 2147483647, or "
                                   "-1 for no fibers"]),
            ("fiber_limit = -2\n", ["fiber_limit: found -2, expected"]),
            ("fiber_limit = 2147483648\n", ["fiber_limit: found 2147483648, expected"]),
            ("call_depth = 0\n", ["host.toml:1:14: call_depth: found 0, expected an integer from 1 to 65535"]),
            ("call_depth = 65536\n", ["call_depth: found 65536, expected an integer from 1 to 65535"]),
            ("suspended_limit = 0\n", ["suspended_limit: found 0, expected an integer from 1 to 8388608"]),
            ("suspended_per_name = 8388609\n", ["suspended_per_name: found 8388609, expected an integer from 1"]),
            ("calls_per_name = 0\n", ["calls_per_name: found 0, expected an integer from 1 to 8388608"]),
            ("on_event_overflow = 'drop'\n", ['host.toml:1:21: on_event_overflow: found "drop", expected "gap" or "refuse"']),
            ("on_event_overflow = ''\n", ['on_event_overflow: found "", expected "gap" or "refuse"']),
            ("on_event_overflow = 1\n", ['on_event_overflow: found an integer, expected "gap" or "refuse"']),
            ("event_log_events = 15\n", ["event_log_events: found 15, expected an integer from 16 to 16777216"]),
            ("event_log_bytes = 65535\n", ["event_log_bytes: found 65535, expected bytes, an integer from 65536"]),
            ("event_queue_depth = 0\n", ["event_queue_depth: found 0, expected an integer from 1"]),
            ("event_output_bytes = 1\n", ["event_output_bytes: found 1, expected bytes"]),
            ("frame_bytes = 4095\n", ["frame_bytes: found 4095, expected bytes, an integer from 4096 to 1073741824"]),
            ("output_bytes = 65535\n", ["output_bytes: found 65535, expected bytes"]),
            ("answer_output_bytes = 1\n", ["answer_output_bytes: found 1, expected bytes"]),
            ("request_window_bytes = 0\n", ["request_window_bytes: found 0, expected bytes, an integer from 4096"]),
            ("window_bytes = 0\n", ["window_bytes: found 0, expected bytes, an integer from 4096"]),
            ("request_window_parts = 0\n", ["request_window_parts: found 0, expected an integer from 1 to 1048576"]),
            ("listeners_per_connection = 0\n", ["listeners_per_connection: found 0, expected an integer from 1"]),
            ("listener_patterns = 0\n", ["listener_patterns: found 0, expected an integer from 1"]),
            ("module_dirs = 'x'\n", ["found a string, expected an array"]),
            ("modules = []\n", ["modules: found an array, expected a table"]),
            (f"[modules.cli_fixture]\npth = '{FIXTURE}'\n", ['host.toml:2:1: unknown key "pth" in modules.cli_fixture', "path, load, config"]),
            (f"[modules.cli_fixture]\npath = '{FIXTURE}'\nload = 'no'\n", ["modules.cli_fixture.load: found a string, expected true or false"]),
            (f"[modules.cli_fixture]\npath = '{FIXTURE}'\nconfig = 1\n", ["modules.cli_fixture.config: found an integer, expected a table"]),
            (f"[modules.chair]\npath = '{FIXTURE}'\n", ['is the module "cli_fixture", expected "chair"']),
            ("[modules.chair]\n", ['found no file for the module "chair"']),
            ("module_dirs = ['nowhere']\n", ["host.toml:1:16: cannot read the module directory", "nowhere"]),
            ("log_level = 'loud'\n", ['host.toml:1:13: log_level: found "loud", expected trace, debug']),
            ("allowed_dirs = ['.', 'nowhere']\n", ["host.toml:1:22: allowed_dirs: found ", "/nowhere", "not a directory"]),
        ]:
            err = self.check(text)
            for part in parts:
                self.assertIn(part, err, text)

    def test_limits_that_contradict_each_other_are_told_with_both_keys_and_values(self):
        mib = 1 << 20
        for key, value, bound, other, words in [
            ("suspended_per_name", 11, "suspended_limit", 10, "suspended_limit, which is 10"),
            ("suspended_per_name", 262_145, None, 0, "suspended_limit, which is 262144 by default"),
            ("suspended_per_name", 11, "calls_per_name", 10, "calls_per_name, which is 10"),
            ("calls_per_connection", 11, "calls_of_connections", 10, "calls_of_connections, which is 10"),
            ("calls_per_connection", 1_048_577, None, 0, "calls_of_connections, which is 1048576 by default"),
            ("bytes_per_connection", 4097, "bytes_of_connections", 4096, "bytes_of_connections, which is 4096"),
            ("bytes_per_connection", mib // 4 + 1, "connection_memory", mib,
             f"a quarter of connection_memory, which is {mib}"),
            ("bytes_per_connection", 16 * mib + 1, "memory_limit", 256 * mib,
             f"a quarter of connection_memory, which is {64 * mib}, a quarter of memory_limit"),
            ("request_window_bytes", 5001, "bytes_per_connection", 5000, "bytes_per_connection, which is 5000"),
            ("part_output_bytes", 70_001, "output_bytes", 70_000, "output_bytes, which is 70000"),
            ("part_output_bytes", 64 * mib + 1, None, 0, f"output_bytes, which is {64 * mib} by default"),
            ("event_output_bytes", 70_001, "output_bytes", 70_000, "output_bytes, which is 70000"),
            ("lossless_window_bytes", 70_001, "output_bytes", 70_000, "output_bytes, which is 70000"),
            ("output_bytes", 70_001, "answer_output_bytes", 70_000, "answer_output_bytes, which is 70000"),
            ("output_bytes", mib // 4 + 1, "connection_memory", mib, f"a quarter of connection_memory, which is {mib}"),
            ("connection_memory", 64 * mib + 1, "memory_limit", 64 * mib, f"memory_limit, which is {64 * mib}"),
            ("frame_bytes", mib // 2 + 1, "connection_memory", mib, f"half of connection_memory, which is {mib}"),
        ]:
            text = f"{key} = {value}\n" + (f"{bound} = {other}\n" if bound else "")
            with self.subTest(text):
                told = f"host.toml:1:{len(key) + 4}: {key}: found {value}, expected at most {words}\n"
                self.assertIn(told, self.check(text))
                self.assertIn(told, self.refused(2, "run", "--config", self.path("host.toml")))
                self.assertNotIn("warning", self.check(text.replace(f" {value}", f" {value - 1}", 1), code=0))

    def test_a_limit_that_only_this_machine_lowers_and_one_without_effect_are_warnings(self):
        huge = 1 << 62
        self.check(f"connection_memory = {huge}\n", code=0)  # the host that knows the memory is not made
        process = self.host("--config", self.path("host.toml"))
        self.assertRegex(process.wait_err("the smaller one holds"), rf" warn run: .*host.toml:1:21: connection_memory: found {huge}, expected at most "
                         r"memory_limit, which is \d+ on this machine; the smaller one holds")
        self.bp("stop")
        self.assert_ends(process, 0)
        self.assertIn('event_queue_depth has no effect without on_event_overflow = "refuse"',
                      self.check("event_queue_depth = 5\n", code=0))
        self.assertIn('event_log_events has no effect with on_event_overflow = "refuse"',
                      self.check("on_event_overflow = 'refuse'\nevent_log_events = 50\n", code=0))
        self.assertNotIn("warning", self.check("on_event_overflow = 'refuse'\nevent_queue_depth = 5\n", code=0))

    def test_a_module_that_cannot_be_loaded_is_5_with_the_place_of_its_path(self):
        text = "[modules.cli_fixture]\npath = 'nowhere.so'\n"
        err = self.check(text, code=5)
        self.assertIn("host.toml:2:8: ", err)
        self.assertIn("nowhere.so", err)
        self.assertIn("host.toml:2:8: ", self.refused(5, "run", "--config", self.path("host.toml")))

    def test_a_sound_configuration_is_json_when_json_is_asked_for(self):
        report = self.bp_json("run", "--check-config", "--module", FIXTURE, "--data-dir", "data")
        self.assertEqual(report, {"modules": [{"name": "cli_fixture", "path": FIXTURE}], "socket": self.socket,
                                  "data_dir": self.path("data")})

    def test_a_directory_without_modules_is_told(self):
        os.mkdir(self.path("empty"))
        err = self.bp("run", "--check-config", "--module-dir", "empty")[1]
        self.assertIn(f'warning: the module directory "{self.path("empty")}" has no modules', err)

    def test_a_configuration_file_that_is_not_there_is_usage(self):
        self.assertIn("cannot open", self.refused(2, "run", "--config", self.path("nowhere.toml")))

    def test_without_modules_the_bundled_ones_are_taken(self):
        err = self.bp("run", "--check-config")[1]
        for file in PLUGINS.glob("*.so"):
            self.assertIn(file.stem, err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
