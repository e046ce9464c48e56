#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The short names of C++ functions that info fibers prints."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from gdb_names import short  # noqa: E402

STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"
DETAIL = "backplane::detail::"


class Names(unittest.TestCase):
    def assert_short(self, name, expected):
        self.assertEqual(short(name), expected, name)

    def test_what_has_no_arguments_stays(self):
        for name in ("warp_row", "main", "std::terminate", "backplane_free"):
            self.assert_short(name, name)

    def test_arguments_results_and_the_unnamed_namespace_go(self):
        self.assert_short(f"(anonymous namespace)::deep(backplane::Fibers&, {STRING}, int)", "deep")
        self.assert_short(f"loom::warp[abi:cxx11]({STRING} const&) const", "loom::warp")
        self.assert_short("int loom::pick<int>(void (*)(int), int)", "loom::pick<int>")
        self.assert_short("Loom::weave(int) [clone .constprop.0]", "Loom::weave")
        self.assert_short("decltype(auto) loom::each<Row>(Row&&) const &", "loom::each<Row>")

    def test_long_template_arguments_are_left_out(self):
        self.assert_short(f"loom::Rows<{STRING}, int>::next()", "loom::Rows<…>::next")
        self.assert_short("loom::Rows<int>::next()", "loom::Rows<int>::next")

    def test_operators_are_no_brackets(self):
        self.assert_short("bool loom::operator< <int>(int, int)", "loom::operator<<int>")
        self.assert_short("Row::operator()(int) const", "Row::operator()")
        self.assert_short("operator<<(std::ostream&, Row const&)", "operator<<")

    def test_lambdas_are_named_by_where_they_are(self):
        self.assert_short("gens(backplane::Call&)::{lambda(int)#2}::operator()(int) const", "gens::{lambda#2}")

    def test_of_the_sdk_only_what_it_runs_is_told(self):
        self.assert_short(f"{DETAIL}FiberBody::enter(void*)", None)
        self.assert_short("backplane::Fibers::switch_to(unsigned long)", None)
        self.assert_short(f"{DETAIL}FiberBodyOf<void (*)(backplane::Fibers&, int), int>::run()", None)
        self.assert_short(f"int {DETAIL}handle<backplane::Stateless, &(anonymous namespace)::gens, false>(bp_call const*)",
                          "gens")
        self.assert_short(f"int {DETAIL}run<Loom, &(Loom::weave(int)), false>(bp_call const*)", "Loom::weave")
        self.assert_short(f"{DETAIL}FiberBodyOf<(anonymous namespace)::gens(backplane::Call&)::{{lambda()#2}}>::run()",
                          "gens::{lambda#2}")
        self.assert_short(f"{DETAIL}FiberBodyOf<backplane::Generator<{STRING} >::Entry<gens(In const&)::"
                          f"{{lambda(backplane::Yield<{STRING} >&)#1}}>>::run()", "gens::{lambda#1}")


if __name__ == "__main__":
    unittest.main()
