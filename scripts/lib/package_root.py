# SPDX-License-Identifier: Apache-2.0
"""Scratch roots: Debian as debootstrap makes it, with the packages that were built in a repository of its own."""

import os
import shutil
import subprocess
import uuid

from package_build import PRODUCTS, WORK, Failed, say

SUITE = "bookworm"
# Mounts and processes end with the command.
ENTER = """
mount --make-rprivate /
mount -t proc proc "$0/proc"
mount --bind "$1" "$0/var/cache/apt/archives"
mount --bind "$2" "$0/repository"
shift 2
exec chroot "$0" "$@"
"""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
PREPARE = """
set -e
echo 'deb [trusted=yes] file:/repository ./' >/etc/apt/sources.list.d/backplane.list
echo 'APT::Install-Recommends "false"; APT::Get::Assume-Yes "true"; Dpkg::Options { "--force-confdef"; "--force-confold"; };' >/etc/apt/apt.conf.d/90backplane
mkdir -p /tree/build-packages
ln -s /repository /tree/build-packages/first
apt-get update
"""


def make_base():
    """The root that the others are copies of. Delete it to have a newer one."""
    base = WORK / "base"
    if (base / "made").exists():
        return base
    say(f"making a root with debootstrap {SUITE}")
    if base.exists():
        shutil.rmtree(base)
    done = subprocess.run(["debootstrap", "--variant=minbase", SUITE, base], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\ndebootstrap failed; it needs Debian's package server")
    (base / "made").touch()
    return base


def make_repository(name, *folders):
    """One with the packages of these folders, and what lies beside them: the npm package and the crate."""
    repository = WORK / name
    if repository.exists():
        shutil.rmtree(repository)
    repository.mkdir()
    for folder in folders:
        for package in folder.iterdir():
            if package.suffix in PRODUCTS and "-dbgsym" not in package.name:
                shutil.copy(package, repository)
    with open(repository / "Packages", "w", encoding="utf-8") as out:
        subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=repository, stdout=out, stderr=subprocess.DEVNULL,
                       check=True)
    return repository


class Root:
    def __init__(self, repository, name):
        self.path = WORK / "roots" / f"{name}-{uuid.uuid4().hex[:8]}"
        self.repository = repository
        self.archives = WORK / "archives"
        (self.archives / "partial").mkdir(parents=True, exist_ok=True)
        self.path.parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", make_base(), self.path], check=True)
        (self.path / "repository").mkdir(exist_ok=True)
        shutil.copy("/etc/resolv.conf", self.path / "etc" / "resolv.conf")
        self.bash(PREPARE)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.path)

    def bash(self, script, code=0, **variables):
        """Runs it there, with all mounts and processes its own. What it wrote to stdout."""
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", ENTER, self.path, self.archives,
             self.repository, "/bin/bash", "-c", script],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env={**ENVIRONMENT, **variables})
        if done.returncode != code:
            raise Failed(f"{done.stdout[-3000:]}{done.stderr[-3000:]}\na script in {self.path.name} ended with "
                         f"{done.returncode}; expected {code}:\n{script}")
        return done.stdout

    def files(self):
        """All paths, but what apt and dpkg keep for themselves."""
        own = ("proc", "repository", "var/cache/apt", "var/lib/apt", "var/lib/dpkg", "var/log", "tmp", "dev", "root", "tree")
        found = set()
        for folder, below, names in os.walk(self.path):
            inside = os.path.relpath(folder, self.path)
            below[:] = [name for name in below if os.path.normpath(os.path.join(inside, name)) not in own]
            found.update(os.path.normpath(os.path.join(inside, name)) for name in [*below, *names])
        info = self.path / "var/lib/dpkg/info"
        return found | {f"var/lib/dpkg/info/{name}" for name in os.listdir(info) if "backplane" in name}
