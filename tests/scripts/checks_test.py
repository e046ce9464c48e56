#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each check of text and files passes a good tree and fails a bad one, with the path, the line and what to do."""

import os
import shutil
import unittest

from check_case import ROOT, SPDX, CheckCase
import sentences  # its counter is tested by itself


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


if __name__ == "__main__":
    unittest.main()
