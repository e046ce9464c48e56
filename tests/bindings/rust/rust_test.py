#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The crate backplane and generated Rust: against real hosts, cbor2, rustfmt, and the headers.

BACKPLANE_BUILD is the build folder. BACKPLANE_OUTLINES has outlines of the bundled modules and of forms.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "codec"), str(HERE.parent / "transcript")]
import cross_check  # noqa: E402
import hostile  # noqa: E402
import transcript  # noqa: E402

BUILD = pathlib.Path(os.environ["BACKPLANE_BUILD"])
WORK = pathlib.Path(os.environ.get("BACKPLANE_RUST_WORK", BUILD / "tests/bindings/rust"))
PACKAGE = WORK / "package"
CODEC = [WORK / "target/debug/codec"]
DEFAULTS = {"fills": True, "keeps_null": True}
MODULES = ("echo", "forms", "generator", "kv", "session", "timer")
ENVIRONMENT = {
    **os.environ, "RUSTC": "/usr/bin/rustc", "RUSTDOC": "/usr/bin/rustdoc", "CARGO_HOME": str(WORK / "cargo"),
    "CARGO_TARGET_DIR": str(WORK / "target"), "CARGO_NET_OFFLINE": "true", "BACKPLANE_LIB_DIR": str(BUILD / "lib"),
    "LD_LIBRARY_PATH": str(BUILD / "lib"), "BACKPLANE_BIN": str(BUILD / "bin/backplane"),
    "BACKPLANE_PLUGINS": os.environ.get("BACKPLANE_PLUGINS", str(BUILD / "plugins")),
    "BACKPLANE_FORMS": os.environ.get("BACKPLANE_FORMS", str(BUILD / "tests/bindings/modules/forms.so")),
    "BACKPLANE_STREAMS_MODULE": str(BUILD / "tests/modules/streams.so"), "BACKPLANE_RUST_LAYOUT": str(WORK / "layout.txt"),
}


def run(*command, **options):
    done = subprocess.run([*map(str, command)], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def cargo(*arguments, folder=PACKAGE):
    command, *others = arguments  # what follows a "--" is not for cargo
    return run("/usr/bin/cargo", command, "--offline", "--quiet", *others, cwd=folder)


def write(path, text):
    """Only if it is new, so that cargo builds nothing twice."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def outlines(names):
    modules = [json.loads((cross_check.OUTLINES / f"{name}.json").read_text(encoding="utf-8"))["modules"] for name in names]
    return {"form": 1, "generator": "0.1.0", "modules": sum(modules, [])}


def generate(outline, folder):
    done = subprocess.run(["/usr/bin/python3", "-B", str(ROOT / "bindgen/main.py"), "rust", "-o", str(folder)],
                          input=json.dumps(outline), text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)


def prepare():
    for tool, package in (("rustc", "rustc"), ("cargo", "cargo"), ("rustfmt", "rustfmt")):
        if not pathlib.Path("/usr/bin", tool).exists():
            raise AssertionError(f"found no /usr/bin/{tool}; install the Debian package {package}: scripts/setup bindings")
    for source in (HERE / "package").rglob("*"):
        if source.suffix in (".rs", ".toml"):
            text = source.read_text(encoding="utf-8").replace("../../../../clients/rust", str(ROOT / "clients/rust"))
            write(PACKAGE / source.relative_to(HERE / "package"), text)
    generate(outlines(MODULES), PACKAGE / "src/bindings")


def layout():
    """What the C compiler says of the structs and constants that the crate declares."""
    text = (HERE / "package/tests/client/native.rs").read_text(encoding="utf-8")
    structs = re.search(r"layout! \{\n(.*?)\n    \};", text, re.S).group(1)
    lines = []
    for name, members in re.findall(r"(\w+) \{([^}]*)\}", structs):
        lines.append(f"SIZE({name})")
        lines += [f"MEMBER({name}, {member})" for member in members.split()]
    constants = re.search(r"constants! \{\n(.*?)\n    \}", text, re.S).group(1)
    lines += [f"CONSTANT({name})" for name in constants.split()]
    write(WORK / "layout.inc", "\n".join(lines) + "\n")
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "abi/include", "-I", WORK, HERE / "layout.c",
        "-o", WORK / "layout", "-L", BUILD / "lib", "-lbackplane")
    write(WORK / "layout.txt", run(WORK / "layout"))


class Rust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        prepare()
        layout()
        cargo("build", "--bins", "--tests")

    def test_the_crate_works_embedded_and_connected(self):
        cargo("test", "--test", "client", "--", "--test-threads=4")

    def test_generated_values_come_back(self):
        cross_check.check_generated(CODEC, str, 10000, environment=ENVIRONMENT, **DEFAULTS)

    def test_damaged_items_are_read_as_cbor2_reads_them(self):
        cross_check.check_damaged(CODEC, str, 10000, environment=ENVIRONMENT, **DEFAULTS)

    def test_the_transcript_is_as_expected(self):
        program = [WORK / "target/debug/transcript"]
        transcript.embedded(program, BUILD, ENVIRONMENT)
        transcript.connected(program, BUILD, ENVIRONMENT)
        transcript.killed(program, BUILD, ENVIRONMENT)

    def test_generated_code_and_the_crate_are_formatted(self):
        files = sorted((PACKAGE / "src/bindings").glob("*.rs")) + sorted((ROOT / "clients/rust").rglob("src/**/*.rs"))
        self.assertGreater(len(files), 20)
        for number, odd in enumerate(odd_modules()):
            generate(odd, WORK / f"odd{number}")
            files += sorted((WORK / f"odd{number}").glob("*.rs"))
        run("/usr/bin/rustfmt", "--edition", "2021", "--check", *files)

    def test_odd_names_and_forms_compile_without_warnings(self):
        for number, odd in enumerate(odd_modules()):
            package = WORK / f"odd{number}-package"
            generate(odd, package / "src/bindings")
            write(package / "src/main.rs", "#![deny(warnings)]\nmod bindings;\nfn main() {}\n")
            write(package / "Cargo.toml", '[package]\nname = "odd"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n'
                  f'backplane = {{ path = "{ROOT / "clients/rust"}" }}\n[workspace]\n')
            cargo("check", folder=package)

    def test_the_same_outline_gives_the_same_files(self):
        generate(outlines(reversed(MODULES)), WORK / "again")
        for path in sorted((PACKAGE / "src/bindings").glob("*.rs")):
            self.assertEqual(path.read_bytes(), (WORK / "again" / path.name).read_bytes(), path.name)

    def test_the_packed_crate_builds_and_runs_the_example(self):
        crate = WORK / "crate"
        shutil.rmtree(crate, ignore_errors=True)
        shutil.copytree(ROOT / "clients/rust", crate, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
        cargo("package", "--allow-dirty", "--no-verify", folder=crate)  # what follows builds it
        made = list((WORK / "target/package").glob("backplane-*.crate"))
        self.assertEqual(len(made), 1)
        shutil.rmtree(WORK / "unpacked", ignore_errors=True)
        (WORK / "unpacked").mkdir()
        run("tar", "xzf", made[0], "-C", WORK / "unpacked")
        unpacked = next((WORK / "unpacked").iterdir())
        for name in ("src/lib.rs", "build.rs", "README.md", "Cargo.toml"):
            self.assertTrue((unpacked / name).exists(), name)

        example = WORK / "example"
        for name in ("Cargo.toml", "src/main.rs"):
            text = (ROOT / "examples/rust" / name).read_text(encoding="utf-8")
            write(example / name, text.replace("../../clients/rust", str(unpacked)))
        generate(outlines(("session", "timer")), example / "src/bindings")
        run("/usr/bin/rustfmt", "--edition", "2021", "--check", example / "src/main.rs")
        cargo("build", folder=example)
        program = WORK / "target/debug/backplane-example"
        expected = """hello
event 1 of hello
one and two
tick 1 of 3
tick 2 of 3
tick 3 of 3
3 ticks
delay_ms: 100000000 is above this timer's limit of 60000; raise max_delay_ms in its configuration, or ask for less
deadline
"""
        last = 'the profile of Text("ann")\n'
        self.assertEqual(run(program, "embedded", ENVIRONMENT["BACKPLANE_PLUGINS"]), expected + last)
        with transcript.Host(BUILD) as host:
            self.assertEqual(run(program, "connected", host.socket), expected + last)


def odd_modules():
    """Outlines with names and forms that the bundled modules do not have."""
    return [odd_module(35), odd_module(73), hostile.outline()]


def odd_module(longest):
    """Names have less than `longest` characters."""
    text, number = {"kind": "text"}, {"kind": "int", "bits": 32, "signed": True}

    def named(name):
        return {"kind": "named", "name": name}

    def struct(name, *members):
        return {"name": name, "doc": "a */ `doc` [with] <marks> \\ and \u202e", "kind": "struct", "sent": True, "received": True,
                "members": [{"name": m[0], "doc": "", "type": m[1], "optional": len(m) > 2, **(m[2] if len(m) > 2 else {})}
                            for m in members]}

    def alias(name, ref):
        return {"name": name, "doc": "", "kind": "alias", "sent": True, "received": True, "type": ref}

    long_name = "a_name_that_is_longer_than_what_fits_into_a_line_when_it_comes_twice"[:longest - 6]
    types = [
        struct("type", ("self", text), ("fn", number), ("map", text), ("data", text), ("key", text), ("out", text),
               ("members", text), ("camelCase", number), ("camel_case", number), ("9", number), ("ü", number)),
        struct("String", ("vec", {"kind": "list", "of": named("String"), "least": 0, "most": None})),
        struct("Error"), struct("Odd", ("odd", named("Error"))), struct("Option", ("some", named("String"), {})),
        struct("Long", *[((long_name * 2)[:n], {"kind": "nullable", "of": text} if n % 3 else number,
                          *([{}] if n % 2 else [])) for n in range(1, longest)]),
        struct("Node", ("left", {"kind": "nullable", "of": named("Node")}, {}), ("pair", {"kind": "tuple", "items": [
            {"kind": "nullable", "of": named("Node")}, number]}), ("next", named("Maybe"))),
        alias("Maybe", {"kind": "nullable", "of": named("Node")}),
        alias("Rose", {"kind": "list", "of": named("Rose"), "least": 0, "most": None}),
        alias("Either", {"kind": "choice", "of": [text, number, {"kind": "literal", "value": True},
                                                  {"kind": "literal", "value": {"int": "-7"}}, {"kind": "null"},
                                                  {"kind": "list", "of": named("Either"), "least": 0, "most": None},
                                                  named("Node")]}),
        alias("Same", {"kind": "choice", "of": [text, text, {"kind": "bytes"}]}),
        alias("Always", {"kind": "literal", "value": "x"}),
        struct("Mixed", ("mode", {"kind": "literal", "value": "on \"off\""}), ("one", {"kind": "tuple", "items": [text]}),
               ("big", {"kind": "list", "of": number, "least": 40, "most": 40}),
               ("many", {"kind": "tuple", "items": [number] * 9}), ("level", named("Level"), {"default": "nothing like it"}),
               ("real", {"kind": "float", "bits": 32}, {"default": 1e300}), ("needed", named("Level"))),
        {"name": "Level", "doc": "", "kind": "enum", "sent": True, "received": True, "values": [
            {"value": v, "doc": "d"} for v in ("self", "Self", "a-b", "a_b", "1", "", "quote\"", *[(long_name * 2)[:n] for n in range(20, longest)])]},
        {"name": "Tagged", "doc": "", "kind": "tagged", "sent": True, "received": True, "cases": [
            {"name": n, "type": text, "doc": ""} for n in ("type", "Self", *[(long_name * 2)[:n] for n in range(20, longest)])]},
    ]

    def call(name, request=None, reply=None, part=None, partial=None, errors=()):
        return {"name": name, "doc": "does", "request": request, "request_part": part, "reply": reply, "partial": partial,
                "errors": [{"status": s, "detail": d, "doc": "why", "builtin": b} for s, d, b in errors]}

    calls = [call("odd.new"), call("odd.with", text, text), call("odd.a.b", number, number, errors=[(1001, None, None)]),
             call("odd.a_b", errors=[(1001, text, None), (20, None, "bad_payload")]), call("odd.match", named("Either")),
             call(f"odd.{long_name}", named("Long"), named("Long"), named("Long"), named("Long"), [(1001, named("Long"), None)]),
             call("odd.choice", {"kind": "choice", "of": [number, {"kind": "bool"}]}, {"kind": "raw"})]
    module = {"name": "odd", "version": "1", "summary": "", "hash": "00", "cddl": 'a = "x"# ; "#', "types": types,
              "calls": calls, "functions": [call("other.ask", text, named("Either")), call(f"f.{long_name}", named("Long"))],
              "events": [{"name": "odd.on", "doc": "", "payload": None}, {"name": f"odd.{long_name}", "doc": "", "payload": text}],
              "listens": [], "config": None, "config_doc": "",
              "constants": [{"name": "fn", "value": {"int": "18446744073709551615"}, "doc": ""},
                            {"name": "INTERFACE_HASH", "value": "x" * 90, "doc": ""}, {"name": "f", "value": 1.0, "doc": ""},
                            {"name": "b", "value": {"bytes": "00ff"}, "doc": ""}, {"name": "n", "value": None, "doc": ""}]}
    other = {**module, "name": "type"}
    return {"form": 1, "generator": "0.1.0", "modules": [module, other]}


if __name__ == "__main__":
    unittest.main()
