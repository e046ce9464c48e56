# SPDX-License-Identifier: Apache-2.0
"""Programs that were compiled against other headers than the library's: an older and a newer minor version, and another
major version. Each is served, or ends with an error that names both versions."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = """
#include <backplane/backplane.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  bp_result why;
  memset(&why, 0, sizeof why);
  why.struct_size = sizeof why;
  if (bp_check_headers(&why) != BP_OK) {
    printf("%.*s\\n", (int)why.message.size, why.message.data);
    return 3;
  }
  bp_context_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  OTHER
  bp_context ctx;
  if (bp_context_create(&options, &ctx, &why) != BP_OK) {
    printf("%.*s\\n", (int)why.message.size, why.message.data);
    return 4;
  }
  bp_bytes nothing = {NULL, 0};
  bp_status called = bp_call_sync(ctx, BP_STR("no.such"), nothing, 1000, &why);
  bp_result_free(&why);
  return called == BP_UNKNOWN_NAME && bp_context_destroy(ctx) == BP_OK ? 0 : 5;
}
"""


class Case:
    def __init__(self, cc, root, build, scratch):
        self.cc, self.root, self.build, self.scratch = cc, root, build, scratch
        self.include = scratch / "include"
        shutil.copytree(root / "abi/include", self.include)
        self.library = build / "lib/libbackplane.so"

    def alter(self, name, old, new):
        path = self.include / "backplane" / name
        text = path.read_text()
        assert old in text, f"{name} has no {old}"
        path.write_text(text.replace(old, new))

    def stub(self, node, soname):
        """A library of another version, to link with: only its names and versions count."""
        names = re.findall(r"^    (bp_\w+);", (self.root / "abi/library.map").read_text(), re.M)
        source, script, out = (self.scratch / each for each in ("stub.c", "stub.map", "libbackplane.so"))
        source.write_text("".join(f"void {name}(void) {{}}\n" for name in names + ["bp_new"]))
        old = "".join(f"{name};" for name in names)
        script.write_text(f"BACKPLANE_1 {{ global: {old} local: *; }};\n{node} {{ global: bp_new; }} BACKPLANE_1;\n")
        subprocess.run([self.cc, "-shared", "-fPIC", f"-Wl,-soname,{soname}", f"-Wl,--version-script={script}", "-o", out,
                        source], check=True)
        self.library = out

    def run(self, other=""):
        source, program = self.scratch / "program.c", self.scratch / "program"
        source.write_text(PROGRAM.replace("OTHER", other))
        subprocess.run([self.cc, "-std=c11", "-Wall", "-Werror", "-I", self.include, "-o", program, source, self.library,
                        f"-Wl,-rpath,{self.build / 'lib'}", "-Wl,--allow-shlib-undefined"], check=True)
        done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr


def expect(what, found, code, *words):
    missing = [word for word in words if word not in found[1]]
    if found[0] != code or missing:
        sys.exit(f"{what}: found {found[0]} and {found[1]!r}; expected {code} and {list(words)}")
    print(f"{what}: {found[1].strip() or 'served'}")


def main(cc, root, build):
    version = re.search(r"BP_VERSION_MAJOR (\d+)\n.*MINOR (\d+)\n.*PATCH (\d+)",
                        (root / "abi/include/backplane/base.h").read_text()).groups()
    release = ".".join(version)

    def case():
        return Case(cc, root, build, pathlib.Path(tempfile.mkdtemp(dir=top)))

    with tempfile.TemporaryDirectory() as top:
        expect("the same version", case().run(), 0)

        newer = case()
        newer.alter("base.h", "#define BP_ABI_MINOR 0u", "#define BP_ABI_MINOR 7u")
        newer.alter("options.h", "  uint64_t context_memory;\n}", "  uint64_t context_memory;\n  uint64_t of_the_future[4];\n}")
        expect("newer headers of the same major version", newer.run("options.of_the_future[1] = 9;"), 0)

        older = case()
        older.alter("options.h", "  uint32_t reserved; /* 0 */\n  uint64_t context_memory;\n", "")
        expect("older headers of the same major version", older.run(), 0)

        for major, name in ((2, "newer"), (0, "older")):
            other = case()
            other.alter("base.h", "#define BP_ABI_MAJOR 1u", f"#define BP_ABI_MAJOR {major}u")
            other.alter("base.h", f"#define BP_VERSION_PATCH {version[2]}", "#define BP_VERSION_PATCH 77")
            expect(f"headers of a {name} major version", other.run(), 3, f"headers of ABI {major}.0", ".77)",
                   f"the library has ABI 1.0 (Backplane {release})", "expected the same major version")

        lacking = case()
        lacking.stub("BACKPLANE_1.9", "libbackplane.so.0")
        (lacking.include / "backplane/backplane.h").open("a").write("void bp_new(void);\n")
        expect("a function that the library lacks", lacking.run("bp_new();"), 1, "BACKPLANE_1.9", "libbackplane.so.0")

        other_name = case()
        other_name.stub("BACKPLANE_2", "libbackplane.so.1")
        expect("a library of another major version", other_name.run(), 127, "libbackplane.so.1")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
