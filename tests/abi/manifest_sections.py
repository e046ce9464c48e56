# SPDX-License-Identifier: Apache-2.0
"""The manifest of a built module: sections of these very names, "key=value" with a NUL after each."""
import pathlib
import subprocess
import sys
import tempfile

MANIFEST, CDDL = ".bp.manifest", ".bp.cddl"


def section(objcopy: str, module: pathlib.Path, name: str) -> bytes:
    """The bytes of one section; empty if there is none."""
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "section"
        copy = pathlib.Path(scratch) / "copy"
        subprocess.run([objcopy, "--dump-section", f"{name}={out}", module, copy], check=False, capture_output=True)
        return out.read_bytes() if out.exists() else b""


def entries(objcopy: str, module: pathlib.Path) -> list[tuple[str, str]]:
    raw = section(objcopy, module, MANIFEST)
    texts = [text.decode() for text in raw.split(b"\0") if text]
    return [tuple(text.split("=", 1)) if "=" in text else (text, "") for text in texts]


def main(objcopy: str, module: pathlib.Path) -> int:
    found = entries(objcopy, module)
    expected = [("abi", "1.0"), ("name", "hello_c"), ("provides", "hello_c.greet"), ("provides", "hello_c.later")]
    wrong = [f"{key}={value} is missing" for key, value in expected if (key, value) not in found]
    cddl = section(objcopy, module, CDDL)
    if b"hello_c.greet.reply = tstr\n" not in cddl:
        wrong.append(f"the rule hello_c.greet.reply is not in {CDDL}, which has {len(cddl)} bytes")
    if not section(objcopy, module, MANIFEST).endswith(b"\0"):
        wrong.append(f"{MANIFEST} does not end in NUL")
    print("\n".join(wrong) or f"{len(found)} entries, {len(cddl)} bytes of CDDL")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
