# SPDX-License-Identifier: Apache-2.0
"""Modules come, change and go while the host runs; what is refused leaves it as it was."""

import json
import os
import shutil
import signal
import threading
import unittest

from harness import FIXTURE, MODULES, Case

FIXTURE_2 = str(MODULES / "cli_fixture_2.so")


class Modules(Case):
    def setUp(self):
        super().setUp()
        self.host_process = self.host(modules=())

    def load(self, *arguments):
        return self.bp_json("load", FIXTURE, *arguments)

    def test_load_list_reload_unload(self):
        report = self.load()
        self.assertEqual((report["module"], report["version"], report["generation"]), ("cli_fixture", "1.0", 1))
        self.assertIn("cli_fixture.version", report["names"])
        module, = self.bp_json("ls")["modules"]
        self.assertEqual((module["name"], module["path"], module["state"]), ("cli_fixture", FIXTURE, "running"))

        report = self.bp_json("reload", "cli_fixture", FIXTURE_2)
        self.assertEqual((report["version"], report["generation"], report["old"]["outcome"]), ("2.0", 2, "gone"))
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"2.0"\n')

        report = self.bp_json("unload", "cli_fixture")
        self.assertEqual((report["module"], report["generation"], report["outcome"]), ("cli_fixture", 2, "gone"))
        self.refused(1, "call", "cli_fixture.version")
        self.assertEqual(self.bp_json("ls")["modules"], [])

    def test_what_keeps_a_module_stands_above_and_its_names_are_shown_as_withdrawn(self):
        self.load()
        events = self.spawn("events", "cli_fixture.said")
        events.wait_err("listening to")
        self.spawn("call", "cli_fixture.wait")
        events.wait_out("cli_fixture.said")
        out, err = self.bp("unload", "cli_fixture", "--timeout", "20", code=1)
        self.assertIn("  1 request: ", out)
        self.assertIn("the report on stdout has the reasons", err)
        self.assertRegex(err, r"hint: operation 2 goes on, and waits for cli_fixture\.wait \(1 call\); the oldest call is "
                              r"cli_fixture\.wait, of process \d+ \(.*\), suspended, for .* take the unload back with: "
                              r"backplane cancel 2\n")
        self.assertRegex(self.bp("ls", "cli_fixture")[0], r"(?m)^cli_fixture\.version  call +withdrawn$")
        self.load()
        self.assertRegex(self.bp("ls", "cli_fixture")[0], r"(?m)^cli_fixture\.version  call +running$")
        self.host_process.signal(signal.SIGTERM)
        self.host_process.signal(signal.SIGTERM)

    def test_a_reload_tells_what_the_old_generation_still_has_and_it_goes_with_that(self):
        self.load()
        events = self.spawn("events", "cli_fixture.said")
        events.wait_err("listening to")
        calls = [self.spawn("call", "cli_fixture.wait")]
        events.wait_out("cli_fixture.said")
        out, _ = self.bp("reload", "cli_fixture", "--timeout", "500")
        self.assertIn("reloaded cli_fixture 1.0, generation 2: ", out)
        self.assertIn("\ncli_fixture, generation 1: still has 1 request; it is unloaded when that call ends\n", out)
        self.assertEqual([module["generation"] for module in self.bp_json("ls")["modules"]], [1, 2])
        calls[0].signal(signal.SIGINT)
        self.eventually("the old generation goes",
                        lambda: [module["generation"] for module in self.bp_json("ls")["modules"]] == [2])

    def test_people_get_tables_and_sentences(self):
        self.assertIn("loaded cli_fixture 1.0, generation 1: ", self.bp("load", FIXTURE)[0])
        out, _ = self.bp("ls")
        head, *rows = out.splitlines()
        self.assertEqual(head.split(), ["NAME", "KIND", "MODULE", "VERSION", "GENERATION", "STATE"])
        row = next(row for row in rows if row.startswith("cli_fixture.version "))
        self.assertEqual(row.split(), ["cli_fixture.version", "call", "cli_fixture", "1.0", "1", "running"])
        self.assertEqual(row.index("cli_fixture", 1), head.index("MODULE"))
        self.assertIn("cli_fixture.version.request = any", self.bp("ls", "cli_fixture")[0])
        self.assertEqual(self.bp("ls", "cli_fixture", "--cddl")[0], "cli_fixture.version.request = any\ncli_fixture.version.reply = tstr\n")
        self.assertIn("reloaded cli_fixture 1.0, generation 2", self.bp("reload", "cli_fixture")[0])
        self.assertIn("unloaded cli_fixture, generation 2: gone", self.bp("unload", "cli_fixture")[0])
        self.assertIn("no module is loaded", self.bp("ls")[1])
        self.assertIn("pid", self.bp("status")[0])
        self.assertNotIn("WAIT P50", self.bp("status")[0])  # nothing has been called

    def test_the_status_says_when_a_fiber_has_swallowed_its_cancellation(self):
        self.load()
        self.assertNotIn("swallowed", self.bp("status")[0])
        self.bp("call", "cli_fixture.swallow")
        self.assertRegex(self.bp("status")[0], r"(?m)^context \d+: 1 fiber swallowed the cancellation when destroyed, ")
        self.bp("call", "cli_fixture.swallow")
        self.assertIn(": 2 fibers swallowed ", self.bp("status")[0])
        self.assertEqual(self.context()["fibers"]["swallowed"], 2)

    def test_the_status_shows_stacks_in_units_that_can_be_read(self):
        self.load()
        self.bp("call", "cli_fixture.version")
        _, _, rows = self.bp("status")[0].partition("STACKS OF")
        self.assertRegex(rows, r"(?m)^256 KiB +\d+ +\d+ +\d+ KiB +\d+ KiB +\d+ %$")

    def test_the_status_says_of_each_wire_name_who_takes_the_time(self):
        self.load()
        for _ in range(3):
            self.bp("call", "cli_fixture.version")
        names = self.bp_json("status")["names"]
        self.assertEqual([name["name"] for name in names], ["cli_fixture.version"])
        self.assertEqual((names[0]["module"], names[0]["calls"], names[0]["errors"], names[0]["refused"]),
                         ("cli_fixture", 3, 0, 0))
        self.assertEqual(set(names[0]["run_ns"]), {"measured", "mean", "p50", "p90", "p99", "p999", "max", "total"})
        self.assertLessEqual(names[0]["run_ns"]["p50"], names[0]["run_ns"]["max"])
        self.assertEqual(self.bp_json("status")["by_module"][0]["calls"], 3)
        lines = self.bp("status")[0].splitlines()
        head = next(line for line in lines if line.startswith("NAME "))
        row = next(line for line in lines if line.startswith("cli_fixture.version "))
        self.assertEqual(row.split()[1], "3")
        self.assertEqual(row.index(row.split()[1], 12), head.index("CALLS"))

    def test_the_status_says_how_deep_stacks_were_used(self):
        self.load()
        self.bp("call", "cli_fixture.version")
        stacks = self.bp_json("status")["stacks"]
        self.assertTrue(stacks)
        for of_size in stacks:
            self.assertEqual(set(of_size), {"size", "mapped", "used", "resident", "high_water"})
            self.assertLessEqual(of_size["high_water"], of_size["size"])
        used = next(of_size for of_size in stacks if of_size["high_water"] > 0)
        self.assertGreaterEqual(used["mapped"], 1)
        lines = self.bp("status")[0].splitlines()
        head = next(line for line in lines if line.startswith("STACKS OF "))
        row = lines[lines.index(head) + 1 + stacks.index(used)]
        self.assertTrue(row.startswith(f"{used['size'] // 1024} KiB "), row)
        deepest = row[head.index("DEEPEST USE"):].split()
        self.assertGreater(int(deepest[0]), 0)
        self.assertEqual(deepest, [deepest[0], "KiB", str(int(deepest[0]) * 1024 * 100 // used["size"]), "%"])

    def test_a_configuration_reaches_the_module_as_cbor_and_stays_across_reloads(self):
        self.load("--config", '{"legs": 4, "top": {"$bytes": "AQI="}}')
        expected = '{"legs":4,"top":{"$bytes":"AQI="}}\n'
        self.assertEqual(self.bp("call", "cli_fixture.config")[0], expected)
        self.bp("reload", "cli_fixture")
        self.assertEqual(self.bp("call", "cli_fixture.config")[0], expected)
        self.bp("reload", "cli_fixture", "--config", "@" + self.write("cli_fixture.json", '{"legs": 3}'))
        self.assertEqual(self.bp("call", "cli_fixture.config")[0], '{"legs":3}\n')

    def test_paths_are_those_of_the_command_not_of_the_host(self):
        os.mkdir(self.path("sub"))
        shutil.copy(FIXTURE, self.path("sub/cli_fixture.so"))
        self.dir, old = self.path("sub"), self.dir
        self.addCleanup(setattr, self, "dir", old)
        report = self.bp_json("load", "cli_fixture.so")
        self.assertEqual(report["path"], os.path.join(old, "sub/cli_fixture.so"))

    def test_every_refused_load_is_5_and_the_host_goes_on(self):
        self.load()
        cases = [
            ([self.write("text.so", "no ELF")], "text.so"),
            (["/lib/x86_64-linux-gnu/libc.so.6"], "libc.so.6"),
            ([self.path("nowhere.so")], "nowhere.so"),
            ([self.dir], self.dir),
            ([FIXTURE], "cli_fixture"),
        ]
        for arguments, part in cases:
            self.assertIn(part, self.refused(5, "load", *arguments))
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')

    def test_a_module_whose_init_fails_is_refused_with_its_own_words(self):
        self.assertIn("no legs are given", self.refused(5, "load", str(MODULES / "cli_fixture_fails.so")))
        self.assertEqual(self.bp_json("ls")["modules"], [])

    def test_a_refused_reload_leaves_the_old_generation(self):
        self.load()
        self.assertIn("no legs are given", self.refused(5, "reload", "cli_fixture", str(MODULES / "cli_fixture_fails.so")))
        self.assertIn("nowhere.so", self.refused(5, "reload", "cli_fixture", self.path("nowhere.so")))
        self.assertEqual(self.bp("call", "cli_fixture.version")[0], '"1.0"\n')
        self.assertEqual(self.bp_json("ls")["modules"][0]["generation"], 1)

    def test_modules_that_are_not_there_are_an_error_and_the_nearest_is_named(self):
        self.load()
        for command in ("unload", "reload", "ls"):
            self.assertIn("did you mean cli_fixture?", self.refused(1, command, "cli_fixtrue"))
        out, err = self.bp("unload", "cli_fixtrue", "--json", code=1)
        self.assertEqual((out, json.loads(err)["error"]["code"]), ("", "not_loaded"))

    def test_no_call_is_lost_while_generations_change(self):
        self.load()
        done, failures = threading.Event(), []

        def keep_calling():
            while not done.is_set():
                try:
                    self.bp("call", "cli_fixture.version")
                except AssertionError as failure:
                    failures.append(failure)

        threads = [threading.Thread(target=keep_calling) for _ in range(2)]
        for thread in threads:
            thread.start()
        for turn in range(6):
            self.bp("reload", "cli_fixture", [FIXTURE_2, FIXTURE][turn % 2])
        done.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.bp_json("ls")["modules"][0]["generation"], 7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
