// SPDX-License-Identifier: Apache-2.0
//
// Changes that look compatible and are not. Where the comparison cannot prove that a change is compatible, it must not
// say so.
#include <catch2/catch.hpp>

#include <array>

#include "interfaces.hpp"

using namespace sample;
using namespace backplane::host::cddl;

namespace {

constexpr const char* yes = "compatible";
constexpr const char* source = "breaks source";
constexpr const char* unsure = "cannot tell";
constexpr const char* breaks = "breaks callers";

std::string verdict_of(const std::string& rule, const std::string& before, const std::string& after) {
  return std::string(word(compared(rule + " = " + before, rule + " = " + after).verdict));
}

// For a request and a reply.
void expect(const std::string& before, const std::string& after, const std::string& request, const std::string& reply) {
  INFO(before << " -> " << after);
  CHECK(verdict_of("m.x.request", before, after) == request);
  CHECK(verdict_of("m.x.reply", before, after) == reply);
}

bool same_hash(const std::string& one, const std::string& other) {
  const auto hash = [](const std::string& text) {
    const std::string whole = "m.x.request = " + text;
    return interface_hash(Texts(whole).view(), parse(whole));
  };
  return hash(one) == hash(other);
}

}  // namespace

TEST_CASE("a label that stands at another value or place breaks callers") {
  expect("[x: int, y: int]", "[y: int, x: int]", breaks, breaks);
  expect("[x: int, y: int]", "[x: int, z: int]", source, source);
  expect("[x: int, y: int]", "[z: int, x: int]", breaks, breaks);
  expect("[int, int]", "[x: int, y: int]", yes, yes);
  expect("[p] p = (x: int, y: int)", "[p] p = (y: int, x: int)", breaks, breaks);
  expect("[? x: int]", "[? y: int]", source, source);
  expect("{a: &(red: 1, green: 2)}", "{a: &(red: 2, green: 1)}", breaks, breaks);
  expect("{a: &c} c = (red: 1, green: 2)", "{a: &c} c = (red: 2, green: 1)", breaks, breaks);
  expect("{a: &(red: 1, green: 2)}", "{a: &(red: 1, blue: 2)}", source, source);
  expect("{a: &(red: 1, green: 2)}", "{a: &(green: 2, red: 1)}", yes, yes);
  expect("{a: &(red: 1)}", "{a: &(red: 1, green: 2)}", yes, breaks);
  expect("{a: &(red: \"r\", green: \"g\")}", "{a: &(red: \"g\", green: \"r\")}", breaks, breaks);
  expect("{a: &(on: true, off: false)}", "{a: &(on: false, off: true)}", breaks, breaks);
}

TEST_CASE("forms that can no longer be told apart break callers") {
  expect("A / B A = {a: int} B = {b: int}", "A / B A = {a: int, ? b: int} B = {b: int, ? a: int}", yes, breaks);
  expect("A / B A = {a: int} B = {b: int}", "A / B A = {a: int, b: int} B = {b: int}", breaks, breaks);
  expect("A / B A = {k: \"a\", x: int} B = {k: \"b\", x: int}", "A / B A = {k: \"a\", x: int} B = {k: \"a\", x: int}",
         breaks, breaks);
  expect("A / B A = {a: int} B = {b: int}", "A / B A = {a: int, ? c: int} B = {b: int}", yes, yes);
  expect("A / B A = {k: \"a\"} B = {k: \"b\"}", "A / B A = {k: \"a\", ? b: int} B = {k: \"b\", ? b: int}", yes, yes);
  expect("A / B A = [\"a\", int] B = [\"b\", int]", "A / B A = [\"a\", int] B = [\"b\", uint]", breaks, yes);
  // They looked alike before.
  expect("A / B A = {? a: int} B = {? b: int}", "A / B A = {? a: int, ? c: int} B = {? b: int}", yes, yes);
}

TEST_CASE("a unit that changes behind another name breaks callers") {
  for (const std::string type : {"[* (tstr, Wait)]", "[* Wait, ? int]", "{a: Wait .within small} small = 0..9"}) {
    const std::string rules = " Milliseconds = uint Seconds = uint Wait = ";
    expect(type + rules + "Milliseconds", type + rules + "Seconds", breaks, breaks);
    expect(type + rules + "Seconds", type + rules + "Seconds ; words", yes, yes);
  }
}

TEST_CASE("what was sent as any map must not be read as a new form") {
  const std::string a = " A = {x: int}", b = a + " B = {y: int}";
  expect("{a: #5}" + a, "{a: A / #5}" + a, breaks, yes);
  expect("{a: #4}", "{a: [int] / #4}", breaks, yes);
  expect("{a: A / #5}" + b, "{a: A / B / #5}" + b, breaks, yes);
  expect("{a: A / #5}" + a, "{a: #5 / A}" + a, yes, yes);
  expect("{a: A / #5}" + a, "{a: #5}" + a, yes, yes);
}

TEST_CASE("readers of a map with any key of a type do not ignore keys") {
  expect("{* int => tstr}", "{* int => tstr, * tstr => tstr}", yes, breaks);
  expect("{* int => tstr}", "{* tstr => tstr, * int => tstr}", yes, breaks);
  expect("{* int => tstr}", "{* int => tstr, ? a: int}", yes, breaks);
  expect("{* int => tstr}", "{* (int / tstr) => tstr}", yes, breaks);
  expect("{* tstr => tstr}", "{? a: int, * tstr => tstr}", breaks, breaks);
  expect("{a: int}", "{a: int, ? 1: int}", yes, breaks);
  expect("{a: int}", "{a: int, * int => int}", yes, breaks);
  expect("{a: int}", "{a: int, * tstr => any}", yes, yes);
  expect("{1: int}", "{1: int, ? 2: int}", yes, breaks);
  expect("{? a: int}", "{* (tstr .regexp \"a\") => tstr}", breaks, breaks);
}

TEST_CASE("a cut, and the order of members whose keys overlap, count") {
  expect("{? \"x\" => int, * tstr => any}", "{? x: int, * tstr => any}", unsure, unsure);
  expect("{? x: int, * tstr => any}", "{? \"x\" => int, * tstr => any}", unsure, unsure);
  expect("{? \"x\" => int}", "{? x: int}", yes, yes);
  expect("{x: int, * tstr => int}", "{* tstr => int, x: int}", unsure, unsure);
  expect("{* tstr => int, ? y: int}", "{* tstr ^ => int, ? y: int}", unsure, unsure);
  CHECK(!same_hash("{? \"x\" => int, * tstr => any}", "{? x: int, * tstr => any}"));
  CHECK(!same_hash("{g, * tstr => any} g = (? \"x\" => int)", "{g, * tstr => any} g = (? x: int)"));
  CHECK(!same_hash("{x: int, * tstr => int}", "{* tstr => int, x: int}"));
  CHECK(same_hash("{x: int, * uint => int}", "{* uint => int, x: int}"));
  CHECK(same_hash("{\"x\" => int, y: int}", "{y: int, x: int}"));
}

TEST_CASE("nested groups take what fits first") {
  expect("[(int // int, tstr), bool]", "[(int, tstr // int), bool]", unsure, unsure);
  expect("[x: int, tstr, bool]", "[(x: int // x: int, tstr), bool]", unsure, breaks);
  expect("{a: int, b: int, c: int}", "{(a: int // a: int, b: int), c: int}", unsure, breaks);
  expect("{a: int // c: int}", "{(? a: int // c: int)}", unsure, unsure);
  expect("{(a: int // b: int), c: int}", "{(a: int // b: int), c: int, ? d: int}", yes, yes);
  expect("[? (int, tstr), bool]", "[? (int, tstr), ? (int, tstr), bool]", breaks, breaks);
  CHECK(!same_hash("[(int // int, tstr), bool]", "[(int, tstr // int), bool]"));
  CHECK(!same_hash("[g, bool] g = (int // int, tstr)", "[g, bool] g = (int, tstr // int)"));
  CHECK(!same_hash("{(a: int // a: int, b: int), c: int}", "{(a: int, b: int // a: int), c: int}"));
  CHECK(!same_hash("{a: int // (? b: int // c: int)}", "{a: int // ? b: int // c: int}"));
  CHECK(!same_hash("{g} g = (? a: int // b: int)", "{g} g = (b: int // ? a: int)"));
  CHECK(same_hash("[int // int, tstr]", "[int, tstr // int]"));
}

TEST_CASE("occurrences are greedy") {
  expect("[* int, tstr]", "[* any, tstr]", unsure, unsure);
  expect("[+ int]", "[* int, int]", unsure, unsure);
  expect("[int]", "[? int, int]", unsure, unsure);
  expect("[* int, tstr]", "[* uint, tstr]", breaks, yes);
  expect("[* uint, tstr]", "[* int, tstr]", yes, breaks);
  expect("[? uint, ? tstr]", "[? int, ? tstr]", yes, breaks);
  expect("[2*2 int, tstr]", "[2*2 int, tstr, ? bool]", yes, breaks);
  expect("[* int, int]", "[* int, int] ; words", yes, yes);
  expect("{l: [* int, T]} T = int", "{l: [* int, T], ? m: int} T = int", yes, yes);
  expect("[* int, T] T = int", "[* int, T] T = uint", unsure, unsure);
}

TEST_CASE("members and elements with a limit are counted") {
  expect("{2*5 tstr => any}", "{2*6 tstr => any}", yes, breaks);
  expect("{2*5 tstr => any}", "{3*5 tstr => any}", breaks, yes);
  expect("{a: int, *1 tstr => int}", "{*1 tstr => int}", unsure, breaks);
  expect("{2*5 tstr => any}", "{? a: any, 2*5 tstr => any}", unsure, unsure);
  expect("{+ tstr => int}", "{? a: int, + tstr => int}", unsure, unsure);
  expect("[*3 int]", "[*4 int]", yes, breaks);
  expect("[*3 int]", "[*2 int]", breaks, yes);
  expect("[*3 int, int]", "[*3 int, int, ? tstr]", unsure, unsure);
  expect("{(\"a\" / \"b\") => int}", "{(\"a\" / \"b\" / \"c\") => int}", yes, breaks);
}

TEST_CASE("floats are bounded by .lt, .le, .gt and .ge") {
  const auto type = [](const std::string& before, const std::string& after, const char* request, const char* reply) {
    expect("{a: " + before + "}", "{a: " + after + "}", request, reply);
  };
  type("float .le 5", "float .le 6", yes, breaks);
  type("float .le 6.5", "float .le 5.5", breaks, yes);
  type("float", "float .ge 0.0", breaks, yes);
  type("float .gt 1.0", "float .ge 1.0", yes, breaks);
  type("float .lt 1.0", "float .le 1.0", yes, breaks);
  type("float32 .lt 1.0", "float64 .lt 1.0", yes, breaks);
  type("float64 .lt 1.0", "float32 .lt 1.0", breaks, yes);
  type("1.0..2.0", "float .le 2", yes, breaks);
  type("1.0...2.0", "float .lt 2.0", yes, breaks);
  type("1.0..2.0", "float .lt 2.0", breaks, breaks);
  type("number .gt 0.5", "number .gt 0.25", yes, breaks);
  type("int .lt 2.5", "int .le 2", yes, yes);
  type("int .gt -2.5", "int .ge -2", yes, yes);
  type("tstr / int", "(tstr / int) .lt 5", breaks, yes);
  type("1.1", "float32", breaks, breaks);
  type("1.5", "float32", yes, breaks);
}

TEST_CASE("controls take no more than both of their sides") {
  const auto type = [](const std::string& before, const std::string& after, const char* request, const char* reply) {
    expect("{a: " + before + "}", "{a: " + after + "}", request, reply);
  };
  type("5", "tstr .eq 5", breaks, unsure);
  type("5", "int .eq 5", yes, yes);
  expect("{a: int .ne X} X = 1", "{a: int .ne X} X = 1 / 2", unsure, unsure);
  type("tstr .size any", "tstr .size 3", unsure, breaks);
  type("#4.2", "#4.3", unsure, unsure);
  type("[int]", "#4.2", breaks, unsure);
  type("#6(int)", "#6(tstr)", unsure, unsure);
  type("#6.1(tstr)", "#6(int)", breaks, unsure);
  expect("{a: bytes .cborseq [* T, int]} T = tstr", "{a: bytes .cborseq [* T, int]} T = any", unsure, unsure);
}

TEST_CASE("a group socket without rules fits nothing if it is required") {
  expect("{a: int}", "{a: int, $$more}", breaks, breaks);
  expect("{a: int}", "{a: int, * $$more}", yes, yes);
  expect("{a: int, $$more}", "{a: int, $$more} ; words", yes, yes);
}

TEST_CASE("the hash is that of the meaning, where that is cheap") {
  CHECK(same_hash("{a: text}", "{a: tstr}"));
  CHECK(same_hash("{a: bytes}", "{a: bstr}"));
  CHECK(same_hash("{a: nil / #0}", "{a: null / uint}"));
  CHECK(same_hash("{a: 1...3}", "{a: 1..2}"));
  CHECK(same_hash("{a: -3...0}", "{a: -3..-1}"));
  CHECK(same_hash("{a: -3...-1}", "{a: -3..-2}"));
  CHECK(!same_hash("{a: 1.0...3.0}", "{a: 1.0..2.0}"));
  CHECK(!same_hash("{a: text}", "{a: tstr} tstr = int"));
  CHECK(!same_hash("{a: any}", "{a: #} any = int"));
  CHECK(!same_hash("{a: (tstr .size 3) .and x} x = 1", "{a: tstr .size (3 .and x)} x = 1"));
}

TEST_CASE("the place of a member that is gone or new names the member") {
  const auto where = [](const std::string& before, const std::string& after) {
    return compared("m.x.request = T T = " + before, "m.x.request = T T = " + after).changes.at(0).where;
  };
  CHECK(where("{a: int, b: int}", "{a: int}") == "T.b");
  CHECK(where("{a: int}", "{a: int, ? b: int}") == "T.b");
  CHECK(where("{a: int}", "{a: int, * tstr => int}") == "T.*");
}

TEST_CASE("the summary of compatible changes names the first ones") {
  const auto told = [](const std::string& before, const std::string& after) {
    return summary(compared("m.x.request = T T = {" + before + "}", "m.x.request = T T = {" + after + "}"));
  };
  CHECK(told("a: int", "a: int, ? b: int") == "all changes are compatible: T.b: the optional member \"b\" is new");
  CHECK(told("a: int", "a: int ; words\n") ==
        "all changes are compatible: m: only comments, order or spelling have changed");
  CHECK(told("a: int", "a: int, ? b: int, ? c: int, ? d: int, ? e: int").ends_with("and 1 more"));
  std::string many;
  for (int i = 0; i < 300; ++i) many += ", ? " + std::string(300, 'x') + std::to_string(i) + ": int";
  CHECK(told("a: int", "a: int" + many).size() < 1500);
  CHECK(told("a: int", "a: int" + many).ends_with("and 297 more"));
}
