// SPDX-License-Identifier: Apache-2.0
//
// What changes of an interface mean: the tables of docs/interfaces.md row by row, and what the tables do not show.
#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <sstream>

#include "interfaces.hpp"

using namespace sample;
using namespace backplane::host::cddl;

namespace {

using Row = std::vector<std::string>;

std::string stripped(std::string text) {
  const auto first = text.find_first_not_of(" `");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" `") - first + 1);
}

// The rows of the table below a heading of docs/interfaces.md.
std::vector<Row> rows_of(const std::string& heading) {
  std::ifstream file(INTERFACES_PAGE);
  REQUIRE(file);
  std::vector<Row> out;
  bool here = false;
  bool body = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) here = line == heading;
    if (!here || !line.starts_with("| ")) {
      body = body || (here && line.starts_with("|--"));
      continue;
    }
    if (!body) continue;
    Row row;
    std::istringstream cells(line.substr(1));
    for (std::string cell; std::getline(cells, cell, '|');) row.push_back(stripped(cell));
    out.push_back(row);
  }
  return out;
}

// The only change, and its verdict.
std::string verdicts(const std::string& before, const std::string& after) {
  const Comparison found = compared(before, after);
  std::string out;
  for (const Change& change : found.changes) {
    out += (out.empty() ? "" : "; ") + std::string(word(change.what)) + ": " + std::string(word(change.verdict));
  }
  return out;
}

}  // namespace

TEST_CASE("each row of the table of types has the verdict that docs/interfaces.md says") {
  const std::vector<Row> rows = rows_of("### Types");
  REQUIRE(rows.size() >= 30);
  for (const Row& row : rows) {
    REQUIRE(row.size() == 7);
    const char* const rules[] = {"m.x.request = ", "m.x.reply = ", "f.x.request = ", "f.x.reply = "};
    for (std::size_t i = 0; i < 4; ++i) {
      INFO(row[0] << ": " << rules[i] << row[1] << " -> " << row[2]);
      CHECK(verdicts(rules[i] + row[1], rules[i] + row[2]) == row[0] + ": " + row[3 + i]);
    }
  }
}

TEST_CASE("each row of the table of names has the verdict that docs/interfaces.md says") {
  const std::vector<Row> rows = rows_of("### Names");
  REQUIRE(rows.size() >= 30);
  for (const Row& row : rows) {
    REQUIRE(row.size() == 4);
    INFO(row[0] << ": " << row[1] << " -> " << row[2]);
    CHECK(verdicts(row[1], row[2]) == row[0] + ": " + row[3]);
  }
}

TEST_CASE("each kind of change has a row in docs/interfaces.md") {
  std::set<std::string> documented;
  for (const char* const heading : {"### Types", "### Names"}) {
    for (const Row& row : rows_of(heading)) documented.insert(row[0]);
  }
  for (std::size_t i = 0; i < what_count; ++i) {
    if (static_cast<What>(i) == What::forms_alike) continue;  // it never comes alone
    INFO(word(static_cast<What>(i)));
    CHECK(documented.contains(std::string(word(static_cast<What>(i)))));
  }
}

TEST_CASE("the same interface, and the same in another order, has no change") {
  const std::string text = "m.x.request = A A = {a: int, ? n: A / null} m.x.reply = [* A]";
  CHECK(compared(text, text).changes.empty());
  CHECK(verdicts(text, "m.x.reply = [* A] m.x.request = A ; words\nA = {? n: null / A, a: int}") == "text: compatible");
  CHECK(verdicts("", "") == "");
}

TEST_CASE("a change in a named type is told once, with the names that it reaches") {
  const std::string rest = " m.y.request = {list: [* Point]} m.x.reply = Point\n";
  const Comparison found = compared("m.x.request = Point" + rest + "Point = {x: int}",
                                    "m.x.request = Point" + rest + "Point = {x: int, y: int}");
  REQUIRE(found.changes.size() == 2);
  CHECK(found.verdict == Judgement::breaks_callers);
  CHECK(found.changes[0].where == "Point.y");
  CHECK(direction(found.changes[0].flow) == "sends");
  CHECK(found.changes[0].text == "the required member \"y\" is new; callers do not send it");
  CHECK(found.changes[0].names == std::vector<std::string>{"m.x.request", "m.y.request"});
  CHECK(direction(found.changes[1].flow) == "receives");
  CHECK(found.changes[1].verdict == Judgement::compatible);
  CHECK(found.changes[1].names == std::vector<std::string>{"m.x.reply"});
  CHECK(summary(found) == "1 change breaks callers: Point.y: the required member \"y\" is new; callers do not send it");
}

TEST_CASE("a sentence says who is on the other side") {
  const auto text = [](const std::string& rule) {
    return compared(rule + " = {a: int}", rule + " = {a: uint}").changes.at(0).text;
  };
  CHECK(text("m.x.request") == "the type is uint, was int; what callers send may be refused");
  CHECK(text("f.x.reply") == "the type is uint, was int; what providers send may be refused");
  CHECK(text("m.x.reply") == "the type is uint, was int");
}

TEST_CASE("places in parts of parts have a path") {
  const auto where = [](const std::string& before, const std::string& after) {
    const Comparison found = compared("m.x.request = " + before, "m.x.request = " + after);
    return found.changes.size() == 1 ? found.changes[0].where : std::to_string(found.changes.size()) + " changes";
  };
  CHECK(where("{a: {b: [* int]}}", "{a: {b: [* uint]}}") == "m.x.request.a.b[]");
  CHECK(where("[int, [int]]", "[int, [uint]]") == "m.x.request[1][0]");
  CHECK(where("{* tstr => int}", "{* tstr => uint}") == "m.x.request.*");
  CHECK(where("{* uint => int}", "{* 0..9 => int}") == "m.x.request.* (key)");
  CHECK(where("#6.1(int)", "#6.1(uint)") == "m.x.request");
  CHECK(where("{a: P} P = {x: int}", "{a: P} P = {x: uint}") == "P.x");
  CHECK(where("{a: u} u = 0..9", "{a: u} u = 0..8") == "m.x.request.a");
}

TEST_CASE("recursive types are compared through their names") {
  const auto tree = [](const std::string& value) {
    return "m.x.request = Tree Tree = {value: " + value + ", ? left: Tree / null, rest: [* Tree]}";
  };
  CHECK(verdicts(tree("int"), tree("uint")) == "narrower: breaks callers");
  CHECK(compared(tree("int"), tree("int")).changes.empty());
  CHECK(verdicts("m.x.request = A A = {? a: B} B = {? a: A}", "m.x.request = A A = {? a: A}").find("breaks callers") ==
        std::string::npos);
}

TEST_CASE("generics are compared with their arguments") {
  CHECK(verdicts("m.x.request = p<int> p<x> = {a: x, b: [* x]}", "m.x.request = p<uint> p<x> = {a: x, b: [* x]}") ==
        "narrower: breaks callers; narrower: breaks callers");
  CHECK(verdicts("m.x.request = p<int> p<x> = {a: x}", "m.x.request = {a: int}") == "text: compatible");
}

TEST_CASE("alternatives are matched by name, by keys, and by what still takes them") {
  const std::string two = "m.x.request = A / B A = {a: int} B = {b: int}";
  CHECK(verdicts(two, "m.x.request = B / A A = {a: int} B = {b: int, ? c: int}") == "member added: compatible");
  CHECK(verdicts("m.x.request = {a: int} / {a: int, b: int}", "m.x.request = {a: int, ? b: int}").find("callers") ==
        std::string::npos);
  CHECK(verdicts("m.x.reply = {a: int, ? b: int}", "m.x.reply = {a: int} / {a: int, b: int}").find("callers") ==
        std::string::npos);
  CHECK(verdicts("m.x.request = {a: int} / [int]", "m.x.request = {b: int} / [int]") ==
        "required member gone: breaks callers; required member added: breaks callers");
}

TEST_CASE("members and members of any key are compared with each other") {
  CHECK(verdicts("m.x.request = {a: int}", "m.x.request = {* tstr => int}") ==
        "now optional: compatible; member added: compatible");
  CHECK(verdicts("m.x.request = {a: int, b: tstr}", "m.x.request = {a: int, * tstr => any}").find("callers") ==
        std::string::npos);
  CHECK(verdicts("m.x.request = {* tstr => int}", "m.x.request = {? a: uint}").find("narrower: breaks callers") !=
        std::string::npos);
}

TEST_CASE("sizes, literals and choices of numbers are compared as sets") {
  const auto type = [](const std::string& before, const std::string& after) {
    return verdicts("m.x.request = {a: " + before + "}", "m.x.request = {a: " + after + "}");
  };
  CHECK(type("uint .size 2", "0..65535") == "text: compatible");
  CHECK(type("uint", "0..18446744073709551615") == "text: compatible");
  CHECK(type("1 / 2 / 3", "1..3") == "text: compatible");
  CHECK(type("1 / 3", "1..3") == "wider: compatible");
  CHECK(type("tstr .size (1..9)", "tstr .size (1..5)") == "narrower: breaks callers");
  CHECK(type("float64", "float64 / int") == "wider: compatible");
  CHECK(type("1.0..2.0", "0.5..3.5") == "wider: compatible");
  CHECK(type("\"abc\"", "tstr .size 3") == "wider: compatible");
  CHECK(type("bool", "true") == "narrower: breaks callers");
  CHECK(type("&(red: 1, green: 2)", "&(red: 1, green: 2, blue: 3)") == "wider: compatible");
  CHECK(type("int .lt 5", "int .le 4") == "text: compatible");
  CHECK(type("bytes .cbor {b: int}", "bytes .cbor {b: uint}") == "cannot tell: cannot tell");
  CHECK(type("bytes .cbor T} T = {b: int", "bytes .cbor T} T = {b: uint") == "narrower: breaks callers");
  CHECK(type("~time", "int / float") == "text: compatible");
}

TEST_CASE("single and double have a width, wherever they stand") {
  const auto type = [](const std::string& before, const std::string& after) {
    const std::string rules = " single = float / int double = float / int Ratio = single Share = double";
    return verdicts("m.x.request = {a: " + before + "}" + rules, "m.x.request = {a: " + after + "}" + rules);
  };
  CHECK(type("double", "single") == "narrower: breaks callers");
  CHECK(type("Share", "Ratio") == "narrower: breaks callers");
  CHECK(type("[* double]", "[* single]") == "narrower: breaks callers");
  CHECK(type("double / null", "single / null") == "narrower: breaks callers");
  CHECK(type("single", "single / double") == "wider: compatible");
  CHECK(type("single / double", "double / single") == "text: compatible");
  CHECK(type("single / double", "double").find("callers") == std::string::npos);
  CHECK(type("single", "float32 / int") == "text: compatible");
}

TEST_CASE("long defaults, keys and types that are compared as text differ in their last byte, too") {
  const auto type = [](const std::string& before, const std::string& after) {
    return verdicts("m.x.request = {" + before + "}", "m.x.request = {" + after + "}");
  };
  const auto quoted = [](std::size_t size, char last) { return '"' + std::string(size, 'x') + last + '"'; };
  const auto text = [&](char last) { return "? a: tstr .default " + quoted(200, last); };
  CHECK(type(text('a'), text('b')) == "default changed: compatible");
  const auto key = [&](char last) { return quoted(2000, last) + ": int"; };
  CHECK(type(key('a'), key('b')) == "required member gone: breaks callers; required member added: breaks callers");
  CHECK(type(key('a') + ", " + key('b'), key('a')) == "required member gone: breaks callers");
  const auto opaque = [&](char last) { return "a: tstr .regexp " + quoted(5000, last); };
  CHECK(type(opaque('a'), opaque('b')) == "cannot tell: cannot tell");
  CHECK(type(opaque('a'), opaque('a') + " ; words\n") == "text: compatible");
}

TEST_CASE("a wire name may end in `error`") {
  const std::string run = "m.run.request = {} m.run.error.1001 = {a: int}";
  CHECK(verdicts(run, run + " m.run.error.request = {} m.run.error.reply = {}") == "name added: compatible");
  CHECK(verdicts(run + " m.run.error.request = {a: int}", run + " m.run.error.request = {a: uint}") ==
        "narrower: breaks callers");
  CHECK(verdicts(run + " m.run.error.request = {} m.run.error.error.7 = null", run + " m.run.error.request = {}") ==
        "status gone: breaks source");
}

TEST_CASE("parts are compared if the request is not described") {
  const std::string reply = "m.x.reply = {} ", part = "m.x.partial = ", request_part = "m.x.request.part = ";
  CHECK(verdicts(reply + part + "{a: uint}", reply + part + "{a: int}") == "wider: breaks callers");
  CHECK(verdicts(reply + request_part + "{a: int}", reply + request_part + "{a: uint}") == "narrower: breaks callers");
  CHECK(verdicts(reply + part + "{}", reply) == "partials gone: breaks callers");
  CHECK(verdicts(reply + request_part + "{}", reply) == "undescribed: cannot tell");
  const std::vector<std::string> name = {"m.x"};
  const auto alone = [&](const std::string& text) { return Interface{"m", text, name, {}, {}, {}, {}}; };
  const std::string before = part + "{a: uint}", after = part + "{a: int}", none;
  CHECK(compare(alone(before), alone(after)).verdict == Judgement::breaks_callers);
  CHECK(compare(alone(before), alone(none)).verdict == Judgement::cannot_tell);
}

TEST_CASE("a name that is provided and called is compared as one that is provided") {
  const std::vector<std::string> both = {"m.x"};
  const std::string before = "m.x.request = {a: int}", after = "m.x.request = {a: int, ? b: int}";
  const Interface old{"m", before, both, {}, {}, both, {}};
  const Interface next{"m", after, both, {}, {}, both, {}};
  CHECK(compare(old, next).verdict == Judgement::compatible);
}

TEST_CASE("the canonical form keeps what matters, and forgets order, comments and spelling") {
  const auto form = [](const std::string& text) { return canonical(Texts(text).view()); };
  const std::string text = "m.x.request = {a: 0x10, ? \"b\" => A}\nA = \"x\" / \"y\" ; words\n";
  CHECK(form(text) == form("A = \"y\" / \"x\"\nm.x.request = {? b: A, a: 16} ; other words"));
  CHECK(form(text) ==
        "module m\nprovides m.x\noffers\nemits\ncalls\nlistens\nA = \"x\" / \"y\"\nm.x.request = {? b: A, a: 16}\n");
  CHECK(form(text) != form("m.x.request = {a: 16, ? b: B} B = \"x\" / \"y\""));
  CHECK(form(text) != form("m.x.request = {a: 16, b: A} A = \"x\" / \"y\""));
  CHECK(form("m.x.request = [int, tstr]") != form("m.x.request = [tstr, int]"));
  CHECK(form("m.x.request = {? a: int .default 1}") != form("m.x.request = {? a: int .default 2}"));
  CHECK(form("m.x.request = {a: [b: int, c: int]}") != form("m.x.request = {a: [c: int, b: int]}"));
  CHECK(form("m.x.request = {(b: int, a: int)}") == form("m.x.request = {(a: int, b: int)}"));
  CHECK(form("m.x.request = {}") != form("m.x.request = {} m.y.request = {}"));
}

TEST_CASE("the canonical form does not depend on the order of forms, of nested choices, and of groups in maps") {
  const auto same = [](const std::string& one, const std::string& other) {
    const std::string begin = "m.x.request = ";
    return canonical(Texts(begin + one).view()) == canonical(Texts(begin + other).view());
  };
  CHECK(same("{a: int // b: int}", "{b: int // a: int}"));
  CHECK(same("{a: int // (b: int // c: int)}", "{(c: int // a: int) // b: int}"));
  CHECK(same("[a: int // b: tstr]", "[b: tstr // a: int]"));
  CHECK(same("{a: (int / tstr) / null}", "{a: null / (tstr / int)}"));
  CHECK(same("{g} g = (a: int, b: int)", "{g} g = (b: int, a: int)"));
  CHECK(same("{g} g = h h = (a: int // b: int)", "{g} g = h h = (b: int // a: int)"));
  CHECK(same("{a: &g} g = (a: 1, b: 2)", "{a: &g} g = (b: 2, a: 1)"));
  CHECK(same("{a: &(a: 1, b: 2)}", "{a: &(b: 2, a: 1)}"));
  CHECK(!same("[g] g = (a: int, b: int)", "[g] g = (b: int, a: int)"));
  CHECK(!same("[g] g = (h, int) h = (a: int, b: int)", "[g] g = (h, int) h = (b: int, a: int)"));
  CHECK(!same("[g] g = h h = (a: int, b: int)", "[g] g = h h = (b: int, a: int)"));
  CHECK(!same("p<g> p<x> = [x] g = (a: int, b: int)", "p<g> p<x> = [x] g = (b: int, a: int)"));
  CHECK(!same("{g, l: [g]} g = (a: int, b: int)", "{g, l: [g]} g = (b: int, a: int)"));
  CHECK(!same("{a: int // b: int}", "{a: int, b: int}"));
}
