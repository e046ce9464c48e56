# SPDX-License-Identifier: Apache-2.0
"""Makes a directory in which the package is installed as users install it, and generated code lies beside the tests."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD = pathlib.Path(os.environ["BACKPLANE_BUILD"])
TSC = pathlib.Path(os.environ["BACKPLANE_TOOLS"]) / "node_modules" / ".bin" / "tsc"
STRICT = ("--strict", "--noUnusedLocals", "--noUnusedParameters", "--exactOptionalPropertyTypes", "--target", "es2022",
          "--module", "nodenext")
BUNDLED = ("echo", "generator", "kv", "session", "timer")


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_tools():
    if not shutil.which("node") or not shutil.which("npm"):
        raise SystemExit("found no node or npm; install the Debian packages nodejs and npm: scripts/setup bindings")
    if not TSC.exists():
        raise SystemExit(f"found no {TSC}; run scripts/setup bindings")


def pack(folder):
    """Builds the package as `npm pack` does, and gives back its tarball. Nothing comes from the network."""
    source = folder / "package"
    shutil.copytree(ROOT / "clients" / "typescript", source, ignore=shutil.ignore_patterns("dist", "node_modules", "*.tgz"))
    run(TSC, "-p", source)
    return source / run("npm", "pack", "--offline", "--silent", cwd=source).strip().splitlines()[-1]


def install(tarball, folder):
    """What `npm install TARBALL` does: the package has no dependencies."""
    target = folder / "node_modules" / "@backplane" / "client"
    with tarfile.open(tarball) as archive:
        archive.extractall(folder / "unpacked")
    target.parent.mkdir(parents=True)
    shutil.move(folder / "unpacked" / "package", target)


def modules():
    made = {name: BUILD / "plugins" / f"{name}.so" for name in BUNDLED}
    made["forms"] = BUILD / "tests" / "bindings" / "modules" / "forms.so"
    made["streams"] = BUILD / "tests" / "modules" / "streams.so"
    return made


def generate(folder):
    run(BUILD / "bin" / "backplane", "bindgen", "typescript", *modules().values(), "-o", folder)


@contextlib.contextmanager
def installed(files):
    """A directory with the package, and with files of this folder."""
    check_tools()
    with tempfile.TemporaryDirectory(prefix="bp-ts-") as name:
        folder = pathlib.Path(name)
        install(pack(folder), folder)
        (folder / "package.json").write_text(json.dumps({"type": "module", "private": True}), encoding="utf-8")
        for file in files:
            shutil.copy(HERE / file, folder)
        yield folder


def compile_generated(folder):
    """Generates code of all modules, and compiles it with the TypeScript files of the directory."""
    generate(folder / "generated")
    sources = sorted((folder / "generated").glob("*.ts")) + sorted(folder.glob("*.ts"))
    run(TSC, *STRICT, *sources, cwd=folder)
