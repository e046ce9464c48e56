# SPDX-License-Identifier: Apache-2.0
"""Interfaces on the command line: what has changed between two files, and what a reload says of it."""

import json
import re
import unittest

from harness import FIXTURE, MODULES, PLUGINS, Case

BREAKS = str(MODULES / "cli_fixture_breaks.so")
FITS = str(MODULES / "cli_fixture_fits.so")
STRICT_CONFIG = str(MODULES / "cli_fixture_strict.so")
HASH = "[0-9a-f]{16}"
CHANGE = ("the type is tstr / null, was tstr; callers may get what they do not expect")


class Interfaces(Case):
    def generation(self):
        return self.bp_json("ls")["modules"][0]["generation"]

    def test_inspect_compares_two_files(self):
        out, _ = self.bp("inspect", BREAKS, "--against", FIXTURE)
        self.assertRegex(out, rf"\Acli_fixture 3\.0 against 1\.0\ninterface {HASH} -> {HASH}: 1 change, breaks callers\n"
                              r"VERDICT +CALLERS +WHERE +CHANGE\n"
                              rf"breaks callers +receives +cli_fixture\.version\.reply +{re.escape(CHANGE)}\n\Z")
        report = self.bp_json("inspect", BREAKS, "--against", FIXTURE)
        self.assertEqual(report["verdict"], "breaks callers")
        self.assertEqual((report["from"]["version"], report["to"]["version"]), ("1.0", "3.0"))
        self.assertEqual(report["from"]["interface_hash"], self.bp_json("inspect", FIXTURE)["interface_hash"])
        self.assertEqual(report["to"]["interface_hash"], self.bp_json("inspect", BREAKS)["interface_hash"])
        self.assertEqual(report["changes"], [{
            "what": "wider", "where": "cli_fixture.version.reply", "direction": "receives", "verdict": "breaks callers",
            "text": CHANGE, "names": ["cli_fixture.version.reply"], "more_names": 0}])
        self.assertEqual(self.bp_json("inspect", FITS, "--against", FIXTURE)["verdict"], "compatible")
        self.assertRegex(self.bp("inspect", FIXTURE, "--against", FIXTURE)[0], rf"\ninterface {HASH}: no changes\n\Z")

    def test_strict_inspect_is_a_step_of_a_build(self):
        self.assertIn("breaks callers", self.bp("inspect", BREAKS, "--against", FIXTURE, "--strict", code=5)[0])
        self.bp("inspect", FITS, "--against", FIXTURE, "--strict")
        self.assertIn("expected both", self.refused(2, "inspect", FITS, "--strict"))

    def test_inspect_compares_with_a_module_that_runs(self):
        self.host()
        report = self.bp_json("inspect", BREAKS, "--against", "cli_fixture")
        self.assertEqual((report["verdict"], report["from"]["generation"]), ("breaks callers", 1))
        self.assertEqual(report["changes"], self.bp_json("inspect", BREAKS, "--against", FIXTURE)["changes"])
        self.assertIn("did you mean cli_fixture?", self.refused(1, "inspect", BREAKS, "--against", "cli_fixtur"))

    def test_what_cannot_be_compared_is_refused(self):
        self.assertIn("two files of one module", self.refused(2, "inspect", FIXTURE, "--against", str(PLUGINS / "kv.so")))
        self.refused(5, "inspect", FIXTURE, "--against", "/nowhere/x.so")
        self.assertIn("unreachable", self.refused(3, "inspect", FIXTURE, "--against", "cli_fixture"))
        self.refused(5, "inspect", FIXTURE, "--against", str(MODULES / "cli_fixture_bad_cddl.so"))

    def test_each_reload_prints_what_has_changed(self):
        self.host()
        out, err = self.bp("reload", "cli_fixture", FITS)
        self.assertRegex(out, rf"(?m)^interface {HASH} -> {HASH}: 1 change, compatible$")
        self.assertRegex(out, r"(?m)^compatible +receives +cli_fixture\.version\.reply +the type is tstr \.size ")
        self.assertEqual(err, "")
        out, err = self.bp("reload", "cli_fixture")
        self.assertRegex(out, rf"(?m)^interface {HASH}: no changes$")
        out, err = self.bp("reload", "cli_fixture", BREAKS)
        self.assertIn("breaks callers", out)
        self.assertIn("warning: cli_fixture: its interface differs from that of generation 3: 1 change breaks callers: ", err)
        report = self.bp_json("reload", "cli_fixture", FIXTURE)
        self.assertEqual(report["compare"]["verdict"], "compatible")
        self.assertEqual(report["interface_hash"], self.bp_json("ls")["modules"][0]["interface_hash"])

    def test_a_strict_reload_is_refused(self):
        process = self.host()
        err = self.refused(5, "reload", "cli_fixture", BREAKS, "--strict")
        self.assertIn("its interface differs from that of generation 1: 1 change breaks callers: ", err)
        self.assertRegex(err, r"(?m)^breaks callers +receives +cli_fixture\.version\.reply ")
        self.assertEqual(self.generation(), 1)
        _, err = self.bp("reload", "cli_fixture", BREAKS, "--strict", "--json", code=5)
        self.assertEqual(json.loads(err)["error"]["detail"]["verdict"], "breaks callers")
        self.bp("reload", "cli_fixture", FITS, "--strict")
        self.assertEqual(self.generation(), 2)

    def test_compare_only_reports(self):
        self.host()
        events = self.spawn("events", "backplane.module_*")
        events.wait_err("listening to")
        out, err = self.bp("reload", "cli_fixture", BREAKS, "--compare")
        self.assertRegex(out, rf"\Acompared cli_fixture 1\.0 with 3\.0; nothing has changed\ninterface {HASH} -> {HASH}: 1 change, breaks callers\n")
        self.assertEqual(err, "")
        self.assertEqual(self.bp_json("reload", "cli_fixture", BREAKS, "--compare")["verdict"], "breaks callers")
        self.refused(5, "reload", "cli_fixture", BREAKS, "--compare", "--strict")
        self.bp("reload", "cli_fixture", FITS, "--compare", "--strict")
        # A configuration that would not fit is told as a change.
        self.assertIn('the required member "dir" is new',
                      self.bp("reload", "cli_fixture", STRICT_CONFIG, "--compare")[0])
        self.assertEqual(self.generation(), 1)
        self.bp("reload", "cli_fixture", FITS)
        line = events.wait_out("backplane.module_")  # the first event is that of the real reload
        self.assertIn("backplane.module_reloaded", line)

    def test_a_strict_entry_of_the_configuration_keeps_a_reconfigure_from_breaking_callers(self):
        entry = '[modules.cli_fixture]\npath = "{}"\nstrict = {}\n'
        config = self.write("host.toml", entry.format(FIXTURE, "true"))
        self.assertIn("strict = true", self.bp("run", "--config", config, "--print-config")[0])
        self.host("--config", config, modules=())
        self.write("host.toml", entry.format(BREAKS, "true"))
        self.assertIn("1 change breaks callers", self.bp("reconfigure", code=5)[1])
        self.assertEqual(self.generation(), 1)
        self.write("host.toml", entry.format(FITS, "true"))
        self.bp("reconfigure")
        self.assertEqual(self.generation(), 2)
        self.write("host.toml", entry.format(BREAKS, "false"))
        self.assertRegex(self.bp("reconfigure")[0], r"(?m)^breaks callers +receives +cli_fixture\.version\.reply ")
        self.assertEqual(self.generation(), 3)
        self.write("host.toml", entry.format(BREAKS, '"yes"'))
        self.assertIn("modules.cli_fixture.strict: found", self.refused(2, "reconfigure"))

    def test_the_hash_is_in_ls_and_inspect(self):
        self.host()
        line = rf"(?m)^interface +({HASH})$"
        self.assertEqual(re.search(line, self.bp("ls", "cli_fixture")[0])[1], re.search(line, self.bp("inspect", FIXTURE)[0])[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
