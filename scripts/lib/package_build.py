# SPDX-License-Identifier: Apache-2.0
"""Builds the Debian packages of a commit. The changelog of the packages is made here, so that the version stands in
base.h alone."""

import email.utils
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build-packages"
MAINTAINER = re.compile(r"^Maintainer: (.*)$", re.MULTILINE)
PRODUCTS = (".deb", ".tgz", ".crate")
LAUNCHERS = ("CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER")


class Failed(Exception):
    """The message says what was found, what was expected, and what to do."""


def say(text):
    print(f"package: {text}", flush=True)


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"git {arguments[0]} failed: {done.stderr.strip()}; run this in a clone of the repository")
    return done.stdout.strip()


def base_version(header):
    parts = [re.search(rf"^#define BP_VERSION_{part} (\d+)$", header, re.MULTILINE)
             for part in ("MAJOR", "MINOR", "PATCH")]
    if None in parts:
        raise Failed("abi/include/backplane/base.h lacks a line like '#define BP_VERSION_MAJOR 1'")
    return ".".join(part.group(1) for part in parts)


class Commit:
    def __init__(self, name="HEAD"):
        self.id = git("rev-parse", name)
        self.date = int(git("show", "-s", "--format=%ct", self.id))
        self.base = base_version(git("show", f"{self.id}:abi/include/backplane/base.h"))
        tag = f"v{self.base}"
        self.is_release = tag in git("tag", "--points-at", self.id).split()
        is_later = tag in git("tag", "--merged", self.id).split()
        day = git("show", "-s", "--format=%cd", "--date=format-local:%Y%m%d%H%M", self.id)
        # Before the release of this version '~', which sorts before it, and '+' after it.
        self.version = self.base + ("" if self.is_release else f"{'+' if is_later else '~'}{day}.{self.id[:10]}")

    def export(self, directory):
        """Its tree, and a changelog for the packages."""
        if directory.parent.exists():
            shutil.rmtree(directory.parent)
        directory.mkdir(parents=True)
        archive = subprocess.Popen(["git", "-C", ROOT, "archive", self.id], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", directory], stdin=archive.stdout, check=True)
        if archive.wait() != 0:
            raise Failed(f"git archive {self.id} failed")
        what = f"Release {self.base}" if self.is_release else f"Commit {self.id[:10]}"
        maintainer = MAINTAINER.search((directory / "debian" / "control").read_text()).group(1)
        (directory / "debian" / "changelog").write_text(
            f"backplane ({self.version}) unstable; urgency=medium\n\n"
            f"  * {what}. CHANGELOG.md in backplane-doc has the changes.\n\n"
            f" -- {maintainer}  {email.utils.formatdate(self.date)}\n")


def build(commit, name, clean):
    """The folder with the packages. `clean`: without a compiler cache, whatever the caller's environment has."""
    source = WORK / name / f"backplane-{commit.base}"
    commit.export(source)
    environment = {**os.environ, "LC_ALL": "C.UTF-8",
                   "DEB_BUILD_OPTIONS": f"parallel={os.environ.get('BACKPLANE_JOBS', os.cpu_count())}"}
    # ccache may replace paths by others that lead to the same files, and debug information has them. So a cached object
    # is only taken if it was compiled in this folder, with these paths.
    environment["CCACHE_BASEDIR"] = ""
    environment.pop("CCACHE_NOHASHDIR", None)
    if clean:
        environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        for launcher in LAUNCHERS:
            environment.pop(launcher, None)
    say(f"building {commit.version} in {source.relative_to(ROOT)}")
    log = WORK / f"{str(name).replace(os.sep, '-')}.log"
    with open(log, "w", encoding="utf-8") as out:
        done = subprocess.run(["dpkg-buildpackage", "-us", "-uc"], cwd=source, env=environment, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise Failed(f"{tail}\ndpkg-buildpackage ended with {done.returncode}; {log} has all of it")
    (WORK / name / "commit").write_text(commit.id + "\n")
    return WORK / name


def is_built(commit, name):
    stamp = WORK / name / "commit"
    return stamp.is_file() and stamp.read_text().strip() == commit.id


def hashes(folder):
    files = [each for each in folder.iterdir() if each.suffix in (*PRODUCTS, ".dsc", ".xz")]
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted(files)}


def compare(first, second):
    one, other = hashes(first), hashes(second)
    different = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    if different or not one:
        raise Failed(f"two builds differ in {', '.join(different)}; expected equal files. diffoscope {first}/{different[0]} "
                     f"{second}/{different[0]} shows where")
    return one


def lintian(folder):
    changes = next(folder.glob("*.changes"))
    command = ["lintian", "--fail-on", "error,warning", "--tag-display-limit", "0", changes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tags = [line for line in done.stdout.splitlines() if re.match(r"^[EW]: ", line)]
    if done.returncode != 0 or tags:
        raise Failed(f"{done.stdout}{done.stderr}lintian found {len(tags)} errors and warnings; expected none")


def older(folder, into, version):
    """The same packages as if they were of another version, for upgrades: repacked, with the same contents."""
    into.mkdir(parents=True, exist_ok=True)
    packages = sorted(each for each in folder.glob("*.deb") if "-dbgsym" not in each.name)
    names = "|".join(re.escape(each.name.split("_")[0]) for each in packages)
    current = re.compile(rf"\b({names}) \((>?=) [^)]*\)")
    for package in packages:
        place = into / "unpacked"
        subprocess.run(["dpkg-deb", "-R", package, place], check=True)
        control = place / "DEBIAN" / "control"
        text = re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE)
        control.write_text(current.sub(rf"\1 (\2 {version})", text))
        # Other contents, as an older version would have: an operator's changes then meet the packager's.
        conffiles = place / "DEBIAN" / "conffiles"
        for path in conffiles.read_text().split() if conffiles.exists() else []:
            with open(place / path.lstrip("/"), "a", encoding="utf-8") as out:
                out.write("# older\n")
        name, _, architecture = package.stem.split("_")
        subprocess.run(["dpkg-deb", "-Zgzip", "--root-owner-group", "-b", place, into / f"{name}_{version}_{architecture}.deb"],
                       stdout=subprocess.DEVNULL, check=True)
        shutil.rmtree(place)
