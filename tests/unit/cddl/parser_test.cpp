// SPDX-License-Identifier: Apache-2.0
//
// CDDL as text: what is accepted, how it is understood, and what errors say.
#include <catch2/catch.hpp>

#include "sample.hpp"

using namespace sample;
using backplane::host::cddl::parse;

TEST_CASE("each kind of type is read and written back") {
  const char* const same[] = {
      "0..255",
      "-128..127",
      "-9.5...1.5",
      "int / null",
      "[* int / null]",
      "{* tstr => int / null}",
      "{first: tstr, ? second: 0..10, 2*3 third: [+ bool]}",
      "{1: int // \"two words\" => int}",
      "{+ (int / tstr) ^ => any}",
      "#6.32(tstr)",
      "#6(any)",
      "#7.25",
      "#3",
      "tstr .size (1 / 2)",
      "uint .le 60000",
      "~time",
      "&(red: 0, green: 1)",
      "(int / tstr) .and uint",
      "\"a \\\"quoted\\\" text\"",
      "[int, (tstr, bool)]",
      "-18446744073709551616",
  };
  for (const std::string text : same) {
    INFO(text);
    CHECK(parsed("a = " + text) == text);
  }
}

TEST_CASE("literals have the values that they are written with") {
  CHECK(parsed("a = 0x1F") == "31");
  CHECK(parsed("a = 0b101") == "5");
  CHECK(parsed("a = -0") == "0");
  CHECK(parsed("a = 1.5e3") == "1500.0");
  CHECK(parsed("a = 1e3") == "1000.0");
  CHECK(parsed("a = 0x1.8p1") == "3.0");
  CHECK(parsed("a = h'61 62'") == "'ab'");
  CHECK(parsed("a = b64'YWI='") == "'ab'");
  CHECK(parsed("a = 'it\\'s'") == "'it's'");
  CHECK(parsed(R"(a = "\u00e4\ud83d\ude00\u{1F600}\t")") == "\"ä😀😀\\x09\"");
}

TEST_CASE("rules, comments, sockets, generics and later alternatives are read") {
  CHECK(parsed("; a comment\r\na = int ; another\n\n; the last, without a newline") == "int");
  CHECK(parsed("a = b\nb = int") == "b");
  CHECK(parsed("a = int\na /= tstr\na /= bool") == "int / tstr / bool");
  CHECK(parsed("a = (x: int)\na //= (y: int)") == "(x: int) // (y: int)");
  CHECK(parsed("a = $later / int") == "$later / int");
  CHECK(parsed("a = {* $$more}") == "{* $$more}");
  CHECK(parsed("a = pair<int, [tstr]>\npair<x, y> = [x, y]") == "pair<int, [tstr]>");
  CHECK(parsed("a = x: int") == "x: int");
  CHECK(parsed("kv.config = {}\n2fast.go.request = any\nx@y$z_1 = int") == "no rule");
  CHECK(parsed("a = text\ntext = bstr") == "text");
  CHECK(parsed("") == "no rule");
  CHECK(parsed("a={b:int,c:tstr}b=1") == "{b: int, c: tstr}");
}

TEST_CASE("errors of the text name the line, what was found and what is expected") {
  CHECK(parsed("a = ") == "line 1, column 5: found the end, expected a type");
  CHECK(parsed("a = int\n\nb = %") == "line 3, column 5: found \"%\", expected a type");
  CHECK(parsed("a int") == "line 1, column 3: found \"int\", expected \"=\", \"/=\" or \"//=\" behind the name a");
  CHECK(parsed("a = foo") ==
        "line 1, column 5: found the name \"foo\", expected that of a rule; add a rule \"foo = …\"");
  CHECK(parsed("a = b..5\nb = 1") ==
        "line 1, column 5: found the name \"b..5\", expected that of a rule; write a space before the "
        "dots of a range");
  CHECK(parsed("a = int\na = tstr") ==
        "line 2, column 1: found the rule \"a\" again, which line 1 has; expected another name, or \"/=\"");
  CHECK(parsed("a = [int") == "line 1, column 9: found the end, expected a type, a member or \"]\"");
  CHECK(parsed("a = {x: int]") == "line 1, column 12: found \"]\", expected a type, a member or \"}\"");
  CHECK(parsed("a = \"open\nb = 1") == "line 1, column 6: found a string without its end, expected a closing quote");
  CHECK(parsed("a = {x: int,\n     y: (int / %)}") == "line 2, column 16: found \"%)}\", expected a type");
  CHECK(parsed("; ä\n\"ä\" = 1") == "line 2, column 1: found \"\"ä\"\", expected a name");
  CHECK(parsed("a = \"äö\" int %") ==
        "line 1, column 14: found \"%\", expected \"=\", \"/=\" or \"//=\" behind the name int");
  CHECK(parsed("a = strng") ==
        "line 1, column 5: found the name \"strng\", expected that of a rule; add a rule \"strng = …\"");
  CHECK(parsed("a = tstrr") ==
        "line 1, column 5: found the name \"tstrr\", expected that of a rule; did you mean tstr?");
  CHECK(parsed("a = tstr .plus 3") ==
        "line 1, column 15: the control operator \".plus\" is not supported; expected one of .size, .bits, .cbor, "
        ".cborseq, .within, .and, .lt, .le, .gt, .ge, .eq, .ne, .default, .regexp, .pcre, .iregexp, .abnf, .abnfb");
  CHECK(parsed("a = #6.<uint>(any)") ==
        "line 1, column 8: tag numbers that are types, as in #6.<…>, are not supported; write the number, as in "
        "#6.32(tstr)");
  CHECK(parsed("a = #8") == "line 1, column 6: found \"8\", expected a major type from 0 to 7");
  CHECK(parsed("a = (x: int) / tstr") ==
        "line 1, column 6: found a group in parentheses, expected a type; write {…} for a map, or […] for an array");
  CHECK(parsed("a = 1..2.5") ==
        "line 1, column 5: found a range of other things, expected two integers or two reals, such as 0..255");
  CHECK(parsed("a = 18446744073709551616") ==
        "line 1, column 24: found an integer of more than 64 bits, expected a smaller one");
  CHECK(parsed("a = 1e999") == "line 1, column 5: found \"1e999\", expected a number that fits 64 bits");
  CHECK(parsed("a = h'6'") == "line 1, column 9: found an odd number of digits in h'', expected two for each byte");
  CHECK(parsed("a = {3*2 x: int}") ==
        "line 1, column 9: found an occurrence whose upper bound is below its lower bound");
  CHECK(parsed("a = p<int, int>\np<x> = x") == "line 1, column 5: found \"p\" with 2 arguments, expected 1");
  CHECK(parsed("a = \"\\ud800x\"") == "line 1, column 12: found \"x\"\", expected the second half of a surrogate pair");
  CHECK(parsed("a = int\n\033[2J") == "line 2, column 1: found \"\\x1b[2J\", expected a name");
  CHECK(parsed("a = \xff") == "line 1, column 1: the line is not UTF-8; save the text as UTF-8");
}

TEST_CASE("what this host cannot check is a warning with its line") {
  const auto schema = parse("a = int\nb = tstr .regexp \"[a-z]+\"\n");
  REQUIRE(schema.warnings().size() == 1);
  CHECK(schema.warnings()[0] == "line 2, column 17: .regexp is not checked by this host");
}

TEST_CASE("nesting and size of the text are bounded") {
  CHECK(parsed("a = " + std::string(90, '[') + "int" + std::string(90, ']')).find("line") == std::string::npos);
  CHECK(parsed("a = " + std::string(101, '[')) ==
        "line 1, column 106: nested deeper than 100 levels; give an inner type a rule of its own");
  CHECK(parsed("a = " + std::string(1'000'000, '(')) ==
        "line 1, column 106: nested deeper than 100 levels; give an inner type a rule of its own");
  std::string many = "a = [";
  for (int i = 0; i < 300'000; ++i) many += "1,";
  CHECK(parsed(many + "]") == "line 1, column 262020: found more than 262144 types and groups, expected fewer");
}
