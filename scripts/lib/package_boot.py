# SPDX-License-Identifier: Apache-2.0
"""The service in a booted Debian: systemd-nspawn --boot in a scratch root with the built packages.

package_boot.sh has the scenarios. It runs inside as a unit of its own, writes a line for each scenario that has passed,
and ends the machine."""

import pathlib
import shutil
import subprocess
import time

from package_build import ROOT, WORK, Failed, say
from package_root import Root, make_repository

HERE = pathlib.Path(__file__).resolve().parent
BOUND = 600  # seconds for all scenarios
UNIT = """
[Unit]
Description=The scenarios of scripts/package --boot
[Service]
Type=oneshot
ExecStart=/bin/bash /scenarios/package_boot.sh
StandardOutput=append:/scenarios/out
StandardError=append:/scenarios/err
TimeoutStartSec=infinity
ExecStopPost=/bin/systemctl --no-block poweroff
"""
PREPARE = """
set -e
apt-get install systemd systemd-sysv dbus procps
apt-get install --download-only backplane libbackplane0
mkdir /scenarios/wants
ln -s /etc/systemd/system/scenarios.service /scenarios/wants/
mkdir -p /etc/systemd/system/multi-user.target.wants
mv /scenarios/wants/scenarios.service /etc/systemd/system/multi-user.target.wants/
rmdir /scenarios/wants
"""


def stuck_module(into):
    """A module of the tests whose code hangs when it is told to, built as an outside author would."""
    source = ROOT / "tests" / "fixtures" / "operate" / "stuck.c"
    command = ["cc", "-std=c11", "-shared", "-fPIC", "-O2", f"-I{ROOT / 'abi' / 'include'}",
               f"-Wl,--version-script={ROOT / 'abi' / 'module.map'}", "-Wl,-z,defs,-z,now", source, "-o", into]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{done.stderr}\nthe module for the scenarios does not build")


def boot(root):
    """Returns when the machine has ended."""
    command = ["systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--console=pipe",
               "--directory", root.path, f"--bind={root.archives}:/var/cache/apt/archives",
               f"--bind-ro={root.repository}:/repository"]
    console = root.path.parent / f"{root.path.name}.console"
    with open(console, "wb") as out:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=BOUND,
                                  check=False)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"the scenarios did not end within {BOUND} s; {console} has the console") from late
    if done.returncode != 0:
        raise Failed(f"systemd-nspawn ended with {done.returncode}; {console} has the console")
    console.unlink()


def main(folder):
    begin = time.monotonic()
    repository = make_repository("boot", folder)
    with Root(repository, "boot") as root:
        place = root.path / "scenarios"
        place.mkdir()
        (place / "modules").mkdir()
        stuck_module(place / "modules" / "stuck.so")
        shutil.copy(HERE / "package_boot.sh", place)
        (root.path / "etc/systemd/system/scenarios.service").write_text(UNIT)
        root.bash(PREPARE)
        say("booting")
        boot(root)
        out, err = ((place / name).read_text(errors="replace") if (place / name).exists() else ""
                    for name in ("out", "err"))
        print(out, end="")
        if not out.endswith("all scenarios have passed\n"):
            raise Failed(f"{err[-4000:]}\na scenario failed: the last line of stdout above says after which")
    say(f"the service is ok, after {time.monotonic() - begin:.0f} s")
