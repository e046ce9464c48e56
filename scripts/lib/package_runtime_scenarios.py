# SPDX-License-Identifier: Apache-2.0
"""The runtimes of the bindings in scratch roots: docs/runtimes.md says how to install each and how to run its example, and
that is what is done here, with the built packages alone."""

import ast

import shown as shown_commands
from package_build import ROOT, Failed, say
from package_root import Root
from package_scenarios import as_shown, expect

TESTS = ROOT / "tests" / "bindings"


def literal(path, name):
    """The text that a test expects of an example."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    raise Failed(f"{path.relative_to(ROOT)} assigns no {name}")


def example(root, heading, expected):
    """Runs the commands below the heading. Among what they print is what the example should print."""
    page = (ROOT / "docs" / "runtimes.md").read_text(encoding="utf-8")
    output = as_shown(root, shown_commands.commands(shown_commands.section(page, heading)))
    if expected not in output:
        raise Failed(f"the commands of docs/runtimes.md, '{heading}', printed:\n{output}\nexpected among it:\n{expected}")


GENERATE = """
set -e
cd /tmp
plugins=$(echo /usr/lib/*/backplane/plugins)
for language in c cpp python typescript rust; do
  backplane bindgen $language $plugins/*.so -o $language
  backplane bindgen $language $plugins/*.so -o $language --check
  test -n "$(ls $language)"
done
"""
PLANNER = "cd /tree/python && python3 -W error planner.py embedded /usr/lib/*/backplane/plugins"
BACKEND = "cd /tmp && python3 -W error -c 'import backplane; print(backplane.BACKEND, backplane.__file__)'"
INSTALLED = "/usr/lib/python3/dist-packages/backplane/__init__.py"


def python(repository, figures):
    """Python: the example runs with the C module, and with ctypes where cffi is missing; all languages are generated."""
    expected = literal(TESTS / "python" / "example_test.py", "EXPECTED")
    with Root(repository, "python") as root:
        example(root, "### Python", expected)
        expect(root.bash(BACKEND), f"cffi {INSTALLED}\n", "the backend")
        expect(root.bash(PLANNER), expected, "the example in one process")
        root.bash(GENERATE)
        root.bash("dpkg --remove --force-depends python3-cffi-backend")
        expect(root.bash(BACKEND), f"ctypes {INSTALLED}\n", "the backend without python3-cffi-backend")
        expect(root.bash(PLANNER), expected, "the example with ctypes")
        figures["python3-backplane"] = "the example runs connected and embedded, with cffi and with ctypes"
        figures["backplane-bindgen"] = "writes all five languages"


def typescript(repository, figures):
    """TypeScript: the npm package is installed offline, and the example is compiled and runs at a host."""
    with Root(repository, "typescript") as root:
        example(root, "### TypeScript", literal(TESTS / "typescript" / "example_test.py", "EXPECTED"))
        versions = root.bash("echo node $(node --version), npm $(npm --version), tsc $(tsc --version)").strip()
        figures["the npm package"] = f"the example runs with {versions}"


def rust(repository, figures):
    """Rust: the crate is unpacked, and the example is built against libbackplane-dev and runs at a host."""
    test = TESTS / "rust" / "rust_test.py"
    with Root(repository, "rust") as root:
        example(root, "### Rust", literal(test, "expected") + literal(test, "last"))
        figures["the crate"] = f"the example runs with {root.bash('rustc --version').strip()}"


def all_of(repository, figures):
    for scenario in (python, typescript, rust):
        say(scenario.__doc__)
        scenario(repository, figures)
