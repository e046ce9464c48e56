# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the executable, tried by the programs that it is made for: systemd-analyze, man, zsh and
fish. scripts/setup packages installs these."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time
import tomllib
import unittest

from harness import EXE, LIMIT, PLUGINS, Case

PACKAGING = pathlib.Path(os.environ["BACKPLANE_SOURCE"]) / "packaging"


class Terminal:
    """An interactive shell at a terminal."""

    def __init__(self, command, environment, directory):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe(command[0], command, environment)
        self.seen = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, part):
        deadline = time.monotonic() + LIMIT
        while part not in self.seen:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {part!r}; found {self.seen!r}")
            more = os.read(self.fd, 65536).decode(errors="replace")
            self.seen = re.sub("[^\b]\b", "", self.seen + more)  # a character that is taken back
        self.seen = self.seen.split(part, 1)[1]

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Texts(Case):
    def setUp(self):
        super().setUp()
        self.made = self.path("texts")
        subprocess.run([PACKAGING / "texts.sh", EXE, self.made], check=True, env=self.environment)
        os.mkdir(self.path("bin"))
        os.symlink(EXE, self.path("bin/backplane"))
        self.environment["PATH"] = f"{self.path('bin')}:{self.environment['PATH']}"
        self.environment["TERM"] = "dumb"

    def test_man_shows_all_pages_without_a_warning(self):
        pages = sorted(pathlib.Path(self.made, "man1").iterdir())
        self.assertGreater(len(pages), 15)
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                                  env=self.environment | {"MANROFFSEQ": "", "MANWIDTH": "80"}, capture_output=True,
                                  text=True, timeout=LIMIT, check=True)
            self.assertEqual(done.stderr, "", page)
        shown = subprocess.run(["man", "-l", pages[0].with_name("backplane-call.1")], env=self.environment | {"MANPAGER": "cat"},
                               capture_output=True, text=True, timeout=LIMIT, check=True).stdout
        self.assertIn("backplane call echo.shout", shown)
        self.assertIn("--timeout MS", re.sub(r".\x08", "", shown))

    def test_fish_completes(self):
        def complete(line):
            script = f"source {self.made}/backplane.fish; complete -C '{line}'"
            done = subprocess.run(["fish", "--no-config", "-c", script], env=self.environment, cwd=self.dir,
                                  capture_output=True, text=True, timeout=LIMIT, check=True)
            self.assertEqual(done.stderr, "")
            return [each.split("\t")[0] for each in done.stdout.splitlines()]

        self.assertEqual(complete("backplane rel"), ["reload"])
        self.assertEqual(complete("backplane run --log-f"), ["--log-format"])
        self.assertEqual(complete("backplane run --log-format "), ["human", "json"])
        self.assertEqual(complete("backplane man backplane-rel"), ["backplane-reload"])
        self.assertEqual(complete("backplane call ec"), [])
        self.host(modules=(PLUGINS / "echo.so",))
        self.assertEqual(complete("backplane call echo.sh"), ["echo.shout"])
        self.assertEqual(complete("backplane reload "), ["echo"])

    def test_zsh_completes(self):
        self.host(modules=(PLUGINS / "echo.so",))
        shell = Terminal(["zsh", "-f", "-i"], self.environment, self.dir)
        self.addCleanup(shell.close)
        shell.type(f"PS1=; unsetopt zle_bracketed_paste; fpath=({self.made} $fpath); autoload -Uz compinit\n")
        shell.type(f"compinit -u -d {self.path('dump')}; echo go''on\n")
        shell.wait("goon")
        for typed, shown in (("rel", "reload "), ("run --log-fo", "run --log-format "), ("run --log-format j", "json "),
                             ("call echo.sh", "echo.shout "), ("unload e", "unload echo "), ("help insp", "help inspect "),
                             ("man backplane-insp", "man backplane-inspect ")):
            shell.type(f"backplane {typed}\t.end")
            shell.wait(f"{shown}.end")
            shell.type("\x15")  # the line goes


class Units(Case):
    def setUp(self):
        super().setUp()
        # An installation, so that verify finds the program. The dynamic loader does not matter to it.
        text = (PACKAGING / "systemd/backplane.service.in").read_text()
        text = text.replace("@CMAKE_INSTALL_FULL_BINDIR@", os.path.dirname(EXE))
        self.write("backplane.service", text.replace("@CMAKE_INSTALL_FULL_SYSCONFDIR@", "/etc"))
        shutil.copy(PACKAGING / "systemd/backplane.socket", self.dir)

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], cwd=self.dir, capture_output=True, text=True,
                              env=self.environment, timeout=LIMIT, check=False)

    def test_the_units_are_valid(self):
        self.assertFalse("@" in self.read("backplane.service").replace("@system-service", "").replace(
            "@privileged", "").replace("@resources", ""))
        done = self.analyze("verify", "--man=no", "./backplane.service", "./backplane.socket")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_unit_that_the_page_shows_for_the_sockets_of_others_is_valid(self):
        page = (PACKAGING.parent / "docs/packaging.md").read_text().split("### Sockets for others\n")[1]
        unit = self.write("backplane-callers.socket", page.split("```ini\n")[1].split("```")[0])
        listen, = tomllib.loads(page.split("```toml\n")[1].split("```")[0])["listen"]
        self.assertIn(f"ListenStream={listen['path']}\n", pathlib.Path(unit).read_text())
        self.assertIn(f"# path = \"{listen['path']}\"\n", (PACKAGING / "backplane.toml").read_text())
        # While the service runs, nobody but root can enter what systemd has made for it.
        self.assertNotEqual(os.path.dirname(listen["path"]), "/run/backplane")
        done = self.analyze("verify", "--man=no", "./backplane-callers.socket", "./backplane.service")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_service_is_exposed_by_at_most_half_a_point(self):
        done = self.analyze("security", "--offline=yes", "--threshold=5", "./backplane.service")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"exposure level for backplane.service: 0\.[0-5] ")

    def test_the_sample_of_the_configuration_is_valid_and_has_no_key_that_is_unknown(self):
        sample = (PACKAGING / "backplane.toml").read_text()
        self.assertEqual(tomllib.loads(sample)["data_dir"], "/var/lib/backplane")
        here = sample.replace("/var/lib", self.dir).replace("/var/cache", self.dir)
        self.bp("run", "--check-config", "--config", self.write("a.toml", here))
        # What is commented out is meant to be used.
        keys = "".join(line[2:] + "\n" if re.match(r"# (\[|[a-z_]+ = )", line) else line + "\n"
                       for line in here.splitlines()).replace(
                           "/etc/backplane/modules", str(PLUGINS)).replace("/run/", f"{self.dir}/")
        self.assertIn("module_dirs", tomllib.loads(keys))
        self.assertIn("listen", tomllib.loads(keys))
        self.bp("run", "--check-config", "--config", self.write("b.toml", keys))

    def read(self, name):
        return pathlib.Path(self.path(name)).read_text()


if __name__ == "__main__":
    unittest.main(verbosity=2)
