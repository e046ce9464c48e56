# SPDX-License-Identifier: Apache-2.0
"""Configurations against the CDDL of their modules: --check-config, run, load, reload, inspect."""
import json
import unittest

from harness import FIXTURE, MODULES, PLUGINS, Case

STRICT = str(MODULES / "cli_fixture_strict.so")
BAD_CDDL = str(MODULES / "cli_fixture_bad_cddl.so")


class ConfigRules(Case):
    def file(self, config="", path=STRICT, before=""):
        return self.write("host.toml", f'{before}[modules.cli_fixture]\npath = "{path}"\n{config}')

    def check(self, code, *arguments, **file):
        return self.bp("run", "--check-config", "--data-dir", self.path("data"), "--config", self.file(*arguments, **file),
                       code=code)[1]

    def test_a_fitting_configuration_is_valid_and_runs(self):
        config = "config = { dir = '/srv', max_keys = 1000, limits = [{ name = 'a', most = 0 }] }\n"
        self.assertIn("the configuration is valid: 1 module (cli_fixture)", self.check(0, config))
        self.host("--config", self.file(config), modules=())
        self.assertEqual(json.loads(self.bp("call", "cli_fixture.config")[0])["max_keys"], 1000)

    def test_check_config_and_run_tell_each_fault_with_its_place(self):
        config = ("[modules.cli_fixture.config]\ndir = 5\nmax_kyes = 3\nlimits = [\n  { name = 'a', most = 1 },\n"
                  "  { name = 'b', most = -1 },\n]\n")
        told = ["host.toml:4:1: modules.cli_fixture.config: \"dir\" is 5, expected tstr (cli_fixture.config in the "
                "module's CDDL, line 4)",
                "host.toml:5:1: modules.cli_fixture.config: \"max_kyes\" is unknown; did you mean max_keys?",
                "host.toml:8:17: modules.cli_fixture.config: \"limits[1].most\" is -1, expected uint"]
        for text in (self.check(2, config),
                     self.refused(2, "run", "--data-dir", self.path("data"), "--config", self.file(config))):
            for part in told:
                self.assertIn(part, text)

    def test_a_missing_key_is_told_also_without_a_table(self):
        missing = '"dir" is missing, expected tstr'
        self.assertIn(f"host.toml:3:1: modules.cli_fixture.config: {missing}", self.check(2, "config.max_keys = 3\n"))
        self.assertIn(f"host.toml:1:1: modules.cli_fixture.config: {missing}", self.check(2))
        err = self.bp("run", "--check-config", "--data-dir", self.path("data"), "--module", STRICT, code=2)[1]
        self.assertIn(f"modules.cli_fixture.config: {missing}", err)
        self.assertIn("write a table [modules.cli_fixture.config]", err)

    def test_a_module_that_is_not_loaded_is_not_checked(self):
        self.check(0, "load = false\nconfig.dir = 5\n")

    def test_load_and_reload_refuse_what_does_not_fit(self):
        self.host(modules=())
        refused = '"max_keys" is 1001, expected uint .le 1000 (cli_fixture.config in the module\'s CDDL, line 5)'
        self.assertIn(refused, self.refused(5, "load", STRICT, "--config", '{"dir": "x", "max_keys": 1001}'))
        self.assertIn('"dir" is missing', self.refused(5, "load", STRICT))
        self.assertEqual(self.bp_json("ls")["modules"], [])
        self.bp("load", STRICT, "--config", '{"dir": "x"}')
        self.assertIn('"dir" is true', self.refused(5, "reload", "cli_fixture", "--config", '{"dir": true}'))
        self.assertEqual(json.loads(self.bp("call", "cli_fixture.config")[0]), {"dir": "x"})

    def test_a_reload_checks_the_old_configuration_against_the_new_rules(self):
        self.host(modules=())
        self.bp("load", FIXTURE, "--config", '{"legs": 4}')
        err = self.refused(5, "reload", "cli_fixture", STRICT)
        self.assertIn('"dir" is missing', err)
        self.assertIn('"legs" is unknown; known: dir, max_keys, limits', err)
        self.assertEqual(json.loads(self.bp("call", "cli_fixture.config")[0]), {"legs": 4})

    def test_cddl_that_cannot_be_read_is_refused_with_its_place(self):
        fault = f'{BAD_CDDL}: its CDDL cannot be read: line 3, column 34: found "}}", expected a type'
        self.assertIn(fault, self.refused(5, "inspect", BAD_CDDL))
        self.assertIn(fault, self.check(5, path=BAD_CDDL))
        self.host(modules=())
        self.assertIn(fault, self.refused(5, "load", BAD_CDDL))
        self.assertEqual(self.bp_json("ls")["modules"], [])
        self.bp("load", FIXTURE)
        self.assertIn(fault, self.refused(5, "reload", "cli_fixture", BAD_CDDL))
        self.assertEqual(self.bp_json("ls")["modules"][0]["generation"], 1)

    def test_all_bundled_modules_have_valid_cddl(self):
        for path in sorted(PLUGINS.glob("*.so")):
            with self.subTest(path.name):
                self.assertEqual([text for text in self.bp_json("inspect", str(path))["warnings"] if "CDDL" in text], [])

    def test_the_configuration_of_a_bundled_module_is_checked(self):
        text = '[modules.echo]\nconfig = { prefix = 5 }\n'
        self.assertIn("host.toml:2:12: modules.echo.config: \"prefix\" is 5, expected tstr",
                      self.refused(2, "run", "--check-config", "--data-dir", self.path("data"), "--config",
                                   self.write("host.toml", text)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
