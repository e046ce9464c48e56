# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the completions, which are made of the table of commands. tests/packages tries them in all
shells and with man; here is what needs bash alone."""

import json
import re
import subprocess
import unittest

from harness import EXE, LIMIT, PLUGINS, Case

REQUESTS = {"SH", "TH", "TP", "PP", "nf", "fi", "br", '\\"'}
COMPLETE = r"""
source <("$1" completions bash)
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_backplane
printf '%s\n' "${COMPREPLY[@]}"
"""


class Texts(Case):
    def commands(self):
        lines = self.bp("--help")[0].split("Commands:\n")[1].split("\n\n")[0].splitlines()
        return [line.split()[0] for line in lines]

    def options(self, command):
        text = self.bp(command, "--help")[0].split("Options:")[1]
        return [name for line in re.findall(r"^  (-.*)$", text, re.MULTILINE)
                for name in re.match(r"(-[-\w]+)(?:,(-[-\w]+))?", line).groups() if name]

    def test_there_is_a_page_for_each_command_with_all_of_its_options(self):
        pages = self.bp("man")[0].split()
        self.assertEqual(pages, ["backplane", *(f"backplane-{command}" for command in self.commands())])
        overview = self.bp("man", "backplane")[0].replace("\\-", "-")
        for command in self.commands():
            page = self.bp("man", f"backplane-{command}")[0].replace("\\-", "-")
            self.assertEqual(self.bp("man", command)[0].replace("\\-", "-"), page)
            for name in self.options(command):
                if name not in ("-h", "--help"):
                    self.assertRegex(page, rf"\\fB{name}\\fR", command)
            self.assertIn(f".SH NAME\nbackplane-{command} - ", page)
            self.assertIn(f"\\fBbackplane-{command}\\fR(1)", overview)
            for section in ("SYNOPSIS", "OPTIONS", "EXAMPLES", "EXIT STATUS"):
                self.assertIn(f".SH {section}\n", page, command)
            self.assertFalse(re.search(r"20\d\d-\d\d", page.split("\n.SH NAME")[0]), "a build date makes builds differ")

    def test_no_text_is_a_request_or_an_escape(self):
        for page in self.bp("man")[0].split():
            for line in self.bp("man", page)[0].splitlines():
                if line.startswith((".", "'")):
                    self.assertIn(line[1:].split()[0], REQUESTS, line)
                self.assertFalse(set(re.findall(r"\\(.)", line)) - set("-efB&\""), line)

    def test_an_unknown_page_or_shell_is_usage(self):
        self.assertIn("did you mean backplane-run?", self.refused(2, "man", "backplane-rum"))
        self.assertIn('found "tcsh", expected bash, zsh, fish, names or modules', self.refused(2, "completions", "tcsh"))

    def test_each_script_has_all_commands_and_options(self):
        for shell, option in (("bash", "{}"), ("zsh", "{}["), ("fish", "-l {}")):
            script = self.bp("completions", shell)[0]
            for command in self.commands():
                part = script
                if shell == "bash":
                    part, = re.findall(rf"^    {command}:\) echo (.*) ;;$", script, re.MULTILINE)
                elif shell == "zsh":
                    part = script.split(f"\n_backplane_{command}() {{")[1].split("\n}\n")[0]
                    self.assertRegex(script, rf"\n    '{command}:")
                else:
                    part = "\n".join(line for line in script.splitlines() if f"_from {command}'" in line)
                    self.assertIn(f"-f -a {command} -d ", script)
                for name in self.options(command):
                    if name.startswith("--"):
                        self.assertIn(option.format(name.lstrip("-") if shell == "fish" else name), part, shell)

    def complete(self, *words):
        done = subprocess.run(["bash", "--norc", "-c", COMPLETE, "bash", EXE, *words], env=self.environment, cwd=self.dir,
                              capture_output=True, text=True, timeout=LIMIT, check=True)
        self.assertEqual(done.stderr, "")
        return sorted(done.stdout.split())

    def test_bash_completes_commands_options_and_values(self):
        self.assertEqual(self.complete(EXE, "re"), ["reconfigure", "reload"])
        self.assertEqual(self.complete(EXE, "--json", "--socket", "x", "re"), ["reconfigure", "reload"])
        self.assertEqual(self.complete(EXE, "--v"), ["--version"])
        self.assertEqual(self.complete(EXE, "help", "in"), ["inspect"])
        self.assertEqual(self.complete(EXE, "run", "--log-f"), ["--log-format"])
        self.assertEqual(self.complete(EXE, "run", "--log-format", ""), ["human", "json"])
        self.assertEqual(self.complete(EXE, "run", "--log-format", "=", "j"), ["json"])
        self.assertEqual(self.complete(EXE, "log", "w"), ["warn"])
        self.assertEqual(self.complete(EXE, "completions", "f"), ["fish"])
        self.assertEqual(self.complete(EXE, "man", "backplane-rel"), ["backplane-reload"])
        self.assertEqual(self.complete(EXE, "man", ""), sorted(self.bp("man")[0].split()))
        self.write("one.toml", "")
        self.write("two.txt", "")
        self.assertEqual(self.complete(EXE, "run", "--config", "o"), ["one.toml"])
        self.assertEqual(self.complete(EXE, "run", "--data-dir", "o"), [])
        self.assertEqual(self.complete(EXE, "unknown", ""), [])

    def test_bash_completes_what_the_host_knows_and_nothing_without_a_host(self):
        self.assertEqual(self.complete(EXE, "call", "ec"), [])
        self.host(modules=(PLUGINS / "echo.so", PLUGINS / "kv.so"))
        self.assertEqual(self.complete(EXE, "call", "echo.sh"), ["echo.shout"])
        self.assertEqual(self.complete(EXE, "reload", ""), ["echo", "kv"])
        self.assertEqual(self.complete(EXE, "unload", "--timeout", "5", "e"), ["echo"])
        self.assertEqual(self.complete(EXE, "call", "echo.raw", "e"), [], "the second operand is something else")
        names = [name["name"] for module in json.loads(self.bp("ls", "--json")[0])["modules"] for name in module["names"]]
        self.assertEqual(self.bp("completions", "names")[0].split(), sorted(names))


if __name__ == "__main__":
    unittest.main(verbosity=2)
