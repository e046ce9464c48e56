# SPDX-License-Identifier: Apache-2.0
"""The runtimes of the bindings that are no Debian packages: the npm package and the crate. Nothing comes from the
network, and equal sources give equal files."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import versions
from package_build import PRODUCTS, ROOT, Failed, base_version

TOOLS = ROOT / ".cache" / "bindings" / "node_modules" / ".bin"


def run(*command, cwd, home):
    """Its stdout. Caches and settings of the caller do not count."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("CARGO_", "RUST", "npm_config_", "NPM_CONFIG_"))}
    environment |= {"HOME": str(home), "CARGO_HOME": str(home / "cargo"), "npm_config_cache": str(home / "npm"),
                    "npm_config_update_notifier": "false", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n{' '.join(map(str, command))} ended with "
                     f"{done.returncode}")
    return done.stdout


def debian(tool):
    """The one of Debian, if it is installed: its version is known."""
    return f"/usr/bin/{tool}" if os.access(f"/usr/bin/{tool}", os.X_OK) else tool


def npm_package(source, into, home):
    if not (TOOLS / "tsc").exists():
        raise Failed(f"found no {TOOLS / 'tsc'}; run scripts/setup bindings")
    place = home / "typescript"
    shutil.copytree(source / "clients" / "typescript", place)
    run(TOOLS / "tsc", "-p", ".", cwd=place, home=home)
    run("npm", "pack", "--offline", "--silent", f"--pack-destination={into}", cwd=place, home=home)


def crate(source, into, home):
    place = home / "rust"
    shutil.copytree(source / "clients" / "rust", place)
    # The scenarios build what was packed, where libbackplane-dev is installed.
    run(debian("cargo"), "package", "--offline", "--quiet", "--allow-dirty", "--no-verify", f"--target-dir={home / 'target'}",
        cwd=place, home=home)
    made, = (home / "target" / "package").glob("*.crate")
    shutil.copy(made, into)


def build(source, into):
    """Puts both into the folder. Works outside of any repository, or cargo would note its state."""
    wrong = versions.differing(source, base_version((source / "abi/include/backplane/base.h").read_text(encoding="utf-8")))
    if wrong:
        raise Failed("\n".join(wrong))
    with tempfile.TemporaryDirectory(prefix="bp-runtimes-") as home:
        npm_package(source, into, pathlib.Path(home))
        crate(source, into, pathlib.Path(home))


def unpack(package, into):
    into.mkdir()
    command = ["dpkg-deb", "-x", package, into] if package.suffix == ".deb" else ["tar", "-xzf", package, "-C", into]
    subprocess.run(command, check=True)


def check_contents(folder):
    """No product names a folder of this machine. The npm package and the crate have their licence and a README."""
    traces = [each.encode() for each in (f"{ROOT}/", f"{pathlib.Path.home()}/.", "/tmp/bp-runtimes-")]
    for package in sorted(each for each in folder.iterdir() if each.suffix in PRODUCTS):
        if "-dbgsym" in package.name:
            continue
        with tempfile.TemporaryDirectory(prefix="bp-contents-") as place:
            inside = pathlib.Path(place) / "inside"
            unpack(package, inside)
            files = [each for each in inside.rglob("*") if each.is_file() and not each.is_symlink()]
            for file in files:
                found = [trace.decode() for trace in traces if trace in file.read_bytes()]
                if found:
                    raise Failed(f"{file.relative_to(inside)} of {package.name} names {found[0]}; expected no folder of "
                                 "this machine")
            missing = {"LICENSE", "README.md"} - {each.name for each in files}
            if package.suffix != ".deb" and missing:
                raise Failed(f"{package.name} has no {', '.join(sorted(missing))}")
