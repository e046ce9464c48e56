#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each check passes a good tree and fails a bad one, with the path, the line and what to do."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHECKS = os.path.join(ROOT, "scripts", "checks")
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"

sys.path.insert(0, CHECKS)
import includes  # noqa: E402  (its cycle search is tested by itself)
import rooms  # noqa: E402
import sentences  # noqa: E402  (so is its counter)


class CheckCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="bp-checks-")
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def run_check(self, name, *options):
        done = subprocess.run([os.path.join(CHECKS, name + ".py"), "--root", self.root, *options],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def passes(self, name, *options):
        code, out = self.run_check(name, *options)
        self.assertEqual(code, 0, out)

    def fails(self, name, *expected, options=()):
        code, out = self.run_check(name, *options)
        self.assertEqual(code, 1, out)
        for text in expected:
            self.assertIn(text, out)


class EveryCheck(CheckCase):
    def test_a_check_that_finds_nothing_to_look_at_does_not_pass(self):
        for name in ("format", "thread_tags", "includes", "exports", "length", "hygiene", "parity", "thread_safety",
                     "sentences", "class_size"):
            code, out = self.run_check(name)
            self.assertEqual(code, 2, name)
            self.assertIn("found no", out)


class Format(CheckCase):
    def setUp(self):
        super().setUp()
        shutil.copy(os.path.join(ROOT, ".clang-format"), self.root)

    def test_formatted_code_passes(self):
        self.write("host/a.cpp", SPDX + "int* good();\n")
        self.passes("format")

    def test_a_badly_formatted_line_is_named_with_the_command_that_mends_it(self):
        self.write("host/a.cpp", SPDX + "int *  bad( );\n")
        self.fails("format", "host/a.cpp:2:", "clang-format-14 -i host/a.cpp")


class Length(CheckCase):
    def test_five_hundred_lines_pass_with_a_warning(self):
        self.write("host/a.cpp", "\n" * 500)
        code, out = self.run_check("length")
        self.assertEqual(code, 0, out)
        self.assertIn("warning: 500 lines", out)

    def test_one_line_more_fails(self):
        self.write("host/a.cpp", "\n" * 501)
        self.fails("length", "host/a.cpp:500: 501 lines")

    def test_text_may_be_long(self):
        self.write("docs/a.md", "\n" * 2000)
        self.write("host/a.cpp", "\n")
        self.passes("length")


class Hygiene(CheckCase):
    def test_a_tidy_tree_passes(self):
        self.write("host/a.cpp", SPDX)
        self.write("scripts/go", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n", 0o755)
        self.write("docs/a.md", "See $PREFIX/home/x and ${sourceDir}/work/y.\n")
        self.passes("hygiene")

    def test_a_source_without_licence_line_fails(self):
        self.write("host/a.cpp", "int a;\n")
        self.fails("hygiene", "host/a.cpp:1: no licence line")

    def test_a_path_of_one_machine_fails(self):
        for place in ("wor" "k", "hom" "e/me", "roo" "t"):
            self.write("docs/a.md", f"first\nsee /{place}/notes\n")
            self.fails("hygiene", "docs/a.md:2: names a path of one machine")

    def test_a_package_server_fails(self):
        self.write("docs/a.md", "from http://deb." + "debian.org/debian\n")
        self.fails("hygiene", "docs/a.md:1: names a package server")

    def test_a_script_that_cannot_be_run_fails(self):
        self.write("scripts/go", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n")
        self.fails("hygiene", "scripts/go:1: not executable", "chmod +x scripts/go")

    def test_a_script_without_interpreter_fails(self):
        self.write("scripts/go", "# SPDX-License-Identifier: Apache-2.0\n", 0o755)
        self.fails("hygiene", "scripts/go:1: a script without #!")


class ThreadSafety(CheckCase):
    GUARDED = SPDX + '''#include "sync/mutex.hpp"
struct Count {
  int next() {
    %s
    return ++value;
  }
  backplane::host::Mutex mutex;
  int value BP_GUARDED_BY(mutex) = 0;
};
int main() { return Count().next(); }
'''

    def setUp(self):
        super().setUp()
        for name in ("mutex.hpp", "thread_role.hpp"):
            with open(os.path.join(ROOT, "host", "sync", name), encoding="utf-8") as file:
                self.write("host/sync/" + name, file.read())

    def test_what_is_touched_with_its_lock_passes(self):
        self.write("host/request/count.cpp", self.GUARDED % "const backplane::host::MutexLock lock(mutex);")
        self.passes("thread_safety")

    def test_what_is_touched_without_its_lock_fails(self):
        self.write("host/request/count.cpp", self.GUARDED % "")
        self.fails("thread_safety", "host/request/count.cpp:6: writing variable 'value' requires holding mutex 'mutex'",
                   "take it, or say BP_REQUIRES")

    ROLE = SPDX + '''#include "sync/thread_role.hpp"
inline constexpr backplane::host::ThreadRole on_one_thread;
struct Count {
  int next() {
    %s
    return ++value;
  }
  int value BP_GUARDED_BY(on_one_thread) = 0;
};
int main() { return Count().next(); }
'''

    def test_what_belongs_to_a_thread_is_touched_in_its_role_alone(self):
        self.write("host/request/count.cpp", self.ROLE % "on_one_thread.assume();")
        self.passes("thread_safety")
        self.write("host/request/count.cpp", self.ROLE % "")
        self.fails("thread_safety", "host/request/count.cpp:7: writing variable 'value' requires holding role 'on_one_thread'")

    def test_a_source_that_does_not_compile_is_not_passed_over(self):
        self.write("host/request/count.cpp", SPDX + '#include "support/nothing.hpp"\n')
        self.fails("thread_safety", "'support/nothing.hpp' file not found")


class Parity(CheckCase):
    def test_a_row_whose_file_and_case_are_there_passes(self):
        self.write("tests/unit/request/a_test.cpp", 'TEST_CASE("it works") {}')
        self.write("docs/parity.md", '| a thing | `tests/unit/request/a_test.cpp`: "it works" |\n')
        self.passes("parity")

    def test_a_file_or_case_that_is_not_there_fails(self):
        self.write("tests/unit/request/a_test.cpp", 'TEST_CASE("it works") {}')
        self.write("docs/parity.md", '| a | `tests/unit/request/b_test.cpp` |\n| b | `tests/unit/request/a_test.cpp`: "it flies" |\n| c | - |\n')
        self.fails("parity", "docs/parity.md:1: names tests/unit/request/b_test.cpp", 'docs/parity.md:2: tests/unit/request/a_test.cpp has no "it flies"',
                   "docs/parity.md:3: a row that names no file")


def words(count):
    return " ".join(["word"] * count)


class Sentences(CheckCase):
    """`counted` is (line, words, is_cell) of each sentence."""

    def counted(self, count, text):
        return [(each.line, each.length, each.is_cell) for each in count(text)]

    def page(self, text):
        return self.counted(sentences.markdown, text)

    def comments(self, text):
        return self.counted(sentences.c_comments, text)

    def test_a_sentence_ends_at_a_stop_and_not_at_a_colon_or_within_a_name(self):
        self.assertEqual(self.page("One two: three; four, e.g. five.\nSix base.h seven 1.5? Eight (nine.) Ten"),
                         [(1, 6, False), (2, 4, False), (2, 2, False), (2, 1, False)])

    def test_a_paragraph_and_a_list_item_end_one(self):
        self.assertEqual(self.page("One\ntwo\n\nthree:\n- four\n  five\n- six\n1. seven"),
                         [(1, 2, False), (4, 1, False), (5, 2, False), (7, 1, False), (8, 1, False)])

    def test_code_a_link_and_an_address_are_counted_as_read(self):
        self.assertEqual(self.page("Run `one two. Three` – at **[its page](a/b.md#c)** https://x.y/z?a.b today."),
                         [(1, 7, False)])
        self.assertEqual(self.page("A `span over\ntwo lines` ends. Then\nmore."), [(1, 3, False), (2, 2, False)])

    def test_headings_code_and_comments_are_left_out(self):
        self.assertEqual(self.page("<!-- one\ntwo -->\n# Three. Four\n\n    five\n\n    six\n```sh\nseven\n\neight\n```\nnine"),
                         [(13, 1, False)])

    def test_a_code_line_needs_a_blank_line_before_it(self):
        self.assertEqual(self.page("10. One two\n    three four"), [(1, 4, False)])

    def test_each_cell_of_a_table_ends_one(self):
        self.assertEqual(self.page("| a `x|y` b | c. d |\n|---|:--|\n| `p`: \"one two\"; \"three\" | no; list |"),
                         [(1, 3, True), (1, 1, True), (1, 1, True), (3, 3, True), (3, 1, True), (3, 2, True)])

    def test_comments_of_c_are_counted_without_tags_rules_and_titles(self):
        self.assertEqual(self.comments("""/* SPDX-License-Identifier: Apache-2.0
 *
 * x.h: one two.
 *
 * THREAD TAGS
 *   - three
 *     four
 *   any       a thread
 */
/* ---- Views ---- */
const char* text = "/* no comment. */";
/* Five six. [thread: any]
 * [state: in a
 * handler] [suspend: no] */
int f(void); /* seven */
// eight
// nine
"""), [(3, 3, False), (6, 2, False), (8, 1, True), (8, 2, True), (12, 2, False), (15, 1, False), (16, 2, False)])

    def test_short_sentences_pass(self):
        self.write("docs/a.md", f"{words(14)}.\n")
        self.write("abi/include/backplane/ext/x.h", f"/* {words(14)}. */\n")
        self.passes("sentences")

    def test_a_long_sentence_fails_and_one_at_the_limit_does_not(self):
        short = f"{words(2)}.\n" * 9
        self.write("README.md", f"{short}{words(35)}.\n")
        self.passes("sentences")
        self.write("abi/README.md", f"{short}{words(36)}.\n")
        self.write("docs/a.md", f"{short}\n| {words(36)} |\n")
        self.fails("sentences", "abi/README.md:10: a sentence of 36 words, 'word word", "docs/a.md:11: a sentence of 36 words")

    def test_an_average_of_fifteen_fails_and_cells_do_not_lower_it(self):
        self.write("CONTRIBUTING.md", f"{words(20)}.\n{words(10)}.\n\n" + "| a | b |\n" * 50)
        self.fails("sentences", "CONTRIBUTING.md:1: 15.0 words a sentence on average; expected below 15;"
                   " split the longest: line 1 (20)")

    def test_other_files_may_say_what_they_like(self):
        self.write("docs/a.md", "Short.\n")
        self.write("docs/deeper/a.md", words(99))
        self.write("host/a.hpp", "// " + words(99))
        self.passes("sentences")


class ThreadTags(CheckCase):
    TAGS = "[thread: any] [state: any] [suspend: no]"

    def header(self, text):
        self.write("abi/include/backplane/x.h", text)

    def test_every_kind_of_declaration_passes_with_tags(self):
        self.header(f"""#include <stddef.h>
#define MACRO(x) \\
  not_a(function)
extern "C" {{
enum {{ A = (1), B = (2) }};
/* One. {self.TAGS} */
__attribute__((visibility("default"))) int one(void (*with)(int), int x);
/* Two, whose tags are wrapped: [thread: request, or worker if BP_HANDLER_BLOCKING]
 * [state: in a
 * handler] [suspend: yes] */
typedef int (*two_fn)(const char* text);
typedef struct table {{
  unsigned size; /* plain, (with parentheses) */
  /* Three. {self.TAGS} */
  int (*three)(int);
  /* Four. [thread: request] [state: in a handler] [suspend: fiber] */
  int (*four)(int);
}} table;
}}
""")
        self.passes("thread_tags")

    def test_a_function_without_comment_fails(self):
        self.header("\nint lonely(void);\n")
        self.fails("thread_tags", "abi/include/backplane/x.h:2: lonely has no comment directly above it")

    def test_a_comment_of_the_line_before_is_not_the_functions(self):
        self.header(f"int x; /* {self.TAGS} */\nint next(void);\n")
        self.fails("thread_tags", "x.h:2: next has no comment")

    def test_a_comment_above_a_blank_line_is_not_the_functions(self):
        self.header(f"/* {self.TAGS} */\n\nint apart(void);\n")
        self.fails("thread_tags", "x.h:3: apart has no comment")

    def test_one_comment_does_not_serve_two_functions(self):
        self.header(f"/* {self.TAGS} */\nint one(void);\nint two(void);\n")
        self.fails("thread_tags", "x.h:3: two has no comment")

    def test_a_member_without_tags_fails(self):
        self.header("struct s {\n  /* Says nothing of threads. */\n  int (*member)(void);\n};\n")
        self.fails("thread_tags", "x.h:3: member has 0 complete sets of tags")

    def test_a_callback_type_without_suspend_fails(self):
        self.header("/* [thread: any] [state: any] */\ntypedef void (*cb)(void);\n")
        self.fails("thread_tags", "x.h:2: cb has 0 complete sets of tags")

    def test_an_inline_function_without_tags_fails_and_its_body_is_left_alone(self):
        self.header(f"static inline int f(void) {{\n  if (g()) {{ h(); }}\n  return 1;\n}}\n"
                    f"/* {self.TAGS} */\nint good(void);\n")
        code, out = self.run_check("thread_tags")
        self.assertEqual(code, 1)
        self.assertIn("x.h:1: f has no comment", out)
        self.assertEqual(out.count("x.h:"), 1, out)

    def test_an_unknown_thread_or_answer_fails(self):
        self.header("/* [thread: any, moon] [state: any] [suspend: no] */\nint f(void);\n"
                    "/* [thread: any] [state: any] [suspend: maybe] */\nint g(void);\n")
        self.fails("thread_tags", "x.h:2: f has an unknown thread 'moon'", "x.h:4: g has [suspend: maybe] (known: no, fiber, yes)")


class Includes(CheckCase):
    def include(self, name, line, target=None):
        self.write(name, SPDX + line + "\n")
        if target:
            self.write(target, SPDX)

    def test_the_allowed_ways_pass(self):
        self.include("host/context/a.cpp", '#include "request/b.hpp"', "host/request/b.hpp")
        self.include("host/cli/a.cpp", "#include <backplane/backplane.h>")
        self.include("plugins/echo/a.cpp", "#include <backplane/plugin.hpp>")
        self.passes("includes")

    def test_a_room_that_looks_back_fails(self):
        self.include("host/ingress/a.cpp", '#include "context/b.hpp"', "host/context/b.hpp")
        self.fails("includes", "host/ingress/a.cpp:2: includes host/context/b.hpp: ingress may not look into context")

    def test_a_room_that_nobody_knows_fails(self):
        self.include("host/attic/a.cpp", '#include "support/b.hpp"', "host/support/b.hpp")
        self.fails("includes", "host/attic, which is no room")

    def test_an_include_of_a_file_that_is_not_there_fails(self):
        self.include("host/request/a.cpp", '#include "request/gone.hpp"')
        self.fails("includes", 'includes "request/gone.hpp", which is nowhere in the tree')

    def test_the_command_line_sees_the_public_header_alone(self):
        self.include("host/cli/a.cpp", '#include "context/b.hpp"', "host/context/b.hpp")
        self.include("host/cli/c.cpp", "#include <backplane/plugin.h>")
        self.fails("includes", "host/cli/a.cpp:2: includes host/context/b.hpp: cli may not look into context",
                   "host/cli/c.cpp:2: includes <backplane/plugin.h>")

    def test_a_module_sees_neither_the_host_nor_another_module(self):
        self.include("plugins/echo/a.cpp", "#include <backplane/backplane.h>")
        self.include("plugins/echo/b.cpp", '#include "../kv/store.hpp"', "plugins/kv/store.hpp")
        self.include("plugins/echo/c.cpp", '#include "context/b.hpp"', "host/context/b.hpp")
        self.fails("includes", "a.cpp:2: includes <backplane/backplane.h>", "b.cpp:2: includes plugins/kv/store.hpp",
                   "c.cpp:2: includes host/context/b.hpp")

    def test_the_plain_c_module_does_without_the_sdk(self):
        self.include("plugins/hello_c/a.c", "#include <backplane/sdk.hpp>")
        self.fails("includes", "plugins/hello_c/a.c:2: includes <backplane/sdk.hpp>")

    def test_nobody_includes_tests(self):
        self.include("host/request/a.cpp", '#include "../../tests/b.hpp"', "tests/b.hpp")
        self.fails("includes", "host/request/a.cpp:2: includes tests/b.hpp")

    def test_a_cycle_in_the_table_is_found_and_the_table_has_none(self):
        self.assertEqual(includes.cycle({"a": ["b"], "b": ["c"], "c": ["a"]}), ["a", "b", "c", "a"])
        self.assertIsNone(includes.cycle({"a": ["b", "c"], "b": ["c"], "c": []}))
        self.assertIsNone(includes.cycle(rooms.ROOMS))


class Exports(CheckCase):
    def build(self, source):
        self.write("x.c", source)
        os.makedirs(os.path.join(self.root, "build", "plugins"))
        subprocess.run(["g++", "-x", "c", "-shared", "-fPIC", "-o", os.path.join(self.root, "build/plugins/x.so"),
                        os.path.join(self.root, "x.c")], check=True)

    def test_one_symbol_passes(self):
        self.build("const int backplane_module = 1; __attribute__((visibility(\"hidden\"))) int inner;\n")
        self.passes("exports")

    def test_a_second_symbol_fails(self):
        self.build("const int backplane_module = 1; int escaped;\n")
        self.fails("exports", "x.so:1: exports backplane_module, escaped (2 in all)")

    def test_a_module_without_the_symbol_fails(self):
        self.build("static int inner;\n")
        self.fails("exports", "x.so:1: exports nothing (0 in all); expected backplane_module alone")

    def test_another_build_directory_may_be_named(self):
        self.build("const int backplane_module = 1;\n")
        os.rename(os.path.join(self.root, "build"), os.path.join(self.root, "elsewhere"))
        self.passes("exports", "--build", os.path.join(self.root, "elsewhere"))


class ExportsOfTheLibrary(CheckCase):
    HEADER = """/* One. */
BP_EXPORT int bp_one(void);
typedef void (*bp_callback_fn)(void);
struct bp_table {
  int (*member)(void);
};
BP_EXPORT int bp_two(int with,
                     int more);
"""
    MAP = "/* TEST_9 { global: bp_nine; }; */\nTEST_1 {\n  global:\n    bp_one;\n%s  local: *;\n};\n"
    SOURCE = "int bp_one(void) { return 1; }\nint bp_two(int a, int b) { return a + b; }\nint inner;\n"

    def setUp(self):
        super().setUp()
        self.write("abi/include/backplane/x.h", self.HEADER)
        self.compile("plugins/x.so", "const int backplane_module = 1;\n")

    def compile(self, name, source, *options):
        self.write("x.c", source)
        path = os.path.join(self.root, "build", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, os.path.join(self.root, "x.c"), *options], check=True)

    def library(self, text, source=SOURCE, linked_with=None):
        self.write("abi/library.map", text)
        self.write("linked.map", linked_with or text)
        self.compile("lib/libbackplane.so", source,
                     "-Wl,--version-script=" + os.path.join(self.root, "linked.map"), "-Wl,--undefined-version")

    def test_all_that_is_declared_with_its_version_passes(self):
        self.library(self.MAP % "    bp_two;\n")
        self.passes("exports")

    def test_a_later_version_may_add_to_an_earlier(self):
        self.library(self.MAP % "" + "TEST_2 {\n  global: bp_two;\n} TEST_1;\n")
        self.passes("exports")

    def test_a_function_that_the_map_lacks_fails_where_it_is_declared(self):
        self.library(self.MAP % "")
        self.fails("exports", "abi/include/backplane/x.h:7: bp_two is not in abi/library.map")

    def test_a_name_that_no_header_declares_fails(self):
        self.library(self.MAP % "    bp_two;\n    bp_three;\n")
        self.fails("exports", "abi/library.map:6: names bp_three, which no header", "does not export bp_three")

    def test_a_pattern_in_place_of_names_fails(self):
        self.library(self.MAP % "    bp_t*;\n")
        self.fails("exports", "abi/library.map:5: names bp_t*, which no header", "x.h:7: bp_two is not in")

    def test_a_name_in_two_versions_fails(self):
        self.library(self.MAP % "    bp_two;\n" + "TEST_2 {\n  global: bp_two;\n} TEST_1;\n",
                     linked_with=self.MAP % "    bp_two;\n")
        self.fails("exports", "abi/library.map:9: names bp_two twice")

    def test_a_function_that_the_library_lacks_fails(self):
        self.library(self.MAP % "    bp_two;\n", "int bp_one(void) { return 1; }\n")
        self.fails("exports", "libbackplane.so:1: does not export bp_two")

    def test_a_function_without_version_fails(self):
        self.library(self.MAP % "    bp_two;\n", linked_with="{ global: bp_one; bp_two; local: *; };\n")
        self.fails("exports", "libbackplane.so:1: exports bp_one with version ''; expected 'TEST_1'")

    def test_another_symbol_fails(self):
        self.library(self.MAP % "    bp_two;\n", linked_with="TEST_1 { global: bp_one; bp_two; inner; local: *; };\n")
        self.fails("exports", "libbackplane.so:1: exports inner; expected only what abi/library.map names")


if __name__ == "__main__":
    unittest.main()
