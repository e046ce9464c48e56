// SPDX-License-Identifier: Apache-2.0
//
// Texts that RFC 8259 has as JSON, and texts that it does not, one for each rule of its grammar.
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "cli/json/json.hpp"

using backplane::host::json_to_cbor;
using backplane::host::JsonError;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view accepted[] = {
    // white space
    " 1"sv, "1 "sv, "\t\r\n 1 \t\r\n"sv, "[ ]"sv, "{ }"sv, "[1 , 2]"sv, "{ \"a\" : 1 , \"b\" : 2 }"sv,
    // values at the top
    "null"sv, "true"sv, "false"sv, "\"\""sv, "0"sv, "[]"sv, "{}"sv,
    // arrays and objects
    "[[]]"sv, "[[],[[]]]"sv, "[null,1,\"1\",{}]"sv, "{\"\":0}"sv, "{\"a\":{\"a\":{}}}"sv, "{\"a\\u0000b\":1}"sv,
    "[1,null,null,null,2]"sv,
    // numbers
    "-0"sv, "0.5"sv, "-0.5"sv, "123e65"sv, "0e+1"sv, "0e1"sv, "1E22"sv, "1E-2"sv, "1E+2"sv, "123.456e78"sv, "-1"sv,
    "-123"sv, "20e1"sv, "0.00000000000000000000000000000000000000000000000000000000000000000000001"sv,
    "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001"sv, "1e-99999"sv,
    // strings
    "\"a/*b*/c\""sv, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""sv, "\"\\u0061\\u30af\\u30EA\""sv, "\"\\ud801\\udc37\""sv,
    "\"\\udbff\\udfff\""sv, "\"\\u0000\""sv, "\"\\uFFFF\""sv, "\"\x7f\""sv, "\"\xe2\x80\xa8\xe2\x80\xa9\""sv,
    "\"\xf0\x9f\x98\x80\""sv, "\"\xef\xbf\xbf\""sv, "\"asd \""sv, "\"new\\u00A0line\""sv};

constexpr std::string_view refused[] = {
    // nothing, or too much
    ""sv, " "sv, "\xef\xbb\xbf"sv, "\xef\xbb\xbf{}"sv, "1 2"sv, "{} {}"sv, "[1]x"sv, "[]]"sv, "{}}"sv, "1\0"sv,
    "[1],"sv, "\"a\"x"sv,
    // words
    "nul"sv, "nulll"sv, "True"sv, "tru"sv, "fals"sv, "NaN"sv, "Infinity"sv, "-Infinity"sv, "undefined"sv, "'a'"sv,
    "a"sv,
    // arrays
    "["sv, "[1"sv, "[1,"sv, "[1,]"sv, "[,1]"sv, "[1,,2]"sv, "[1 2]"sv, "[1:2]"sv, "[\"a\" \"b\"]"sv, "[1}"sv, "]"sv,
    "[,]"sv, "[\"x\", truth]"sv,
    // objects
    "{"sv, "{\"a\""sv, "{\"a\":"sv, "{\"a\":1"sv, "{\"a\":1,"sv, "{\"a\":1,}"sv, "{,}"sv, "{1:1}"sv, "{a:1}"sv,
    "{'a':1}"sv, "{\"a\" 1}"sv, "{\"a\"::1}"sv, "{\"a\":1 \"b\":2}"sv, "{\"a\",1}"sv, "{\"a\":1]"sv, "}"sv,
    "{\"a\":\"b\",,\"c\":1}"sv, "{null:null}"sv, "{[]:1}"sv,
    // numbers
    "+1"sv, "-"sv, "--1"sv, "01"sv, "-01"sv, "00"sv, "1."sv, ".5"sv, "-.5"sv, "1.e1"sv, "1e"sv, "1e+"sv, "1eE2"sv,
    "1e1.5"sv, "0x1"sv, "1_000"sv, "1,000"sv, "- 1"sv, "1 000"sv, "2.e3"sv, "0.e1"sv, "0e"sv, "9.e+"sv, "1+2"sv,
    "\xef\xbc\x91"sv, "1a"sv, "-foo"sv, "0.3e+"sv, "1ea"sv,
    // strings
    "\""sv, "\"a"sv, "\"\\"sv, "\"\\\""sv, "\"\\x00\""sv, "\"\\a\""sv, "\"\\u\""sv, "\"\\u00\""sv, "\"\\u00g0\""sv,
    "\"\\U0041\""sv, "\"\\ud800\""sv, "\"\\ud800x\""sv, "\"\\ud800\\n\""sv, "\"\\ud800\\ud800\""sv, "\"\\udc00\""sv,
    "\"\\ud83d\\\""sv, "\"a\nb\""sv, "\"a\tb\""sv, "\"\0\""sv, "\"\x1f\""sv, "\"\\\xc3\xa5\""sv,
    // bytes that are not UTF-8
    "\xff"sv, "\"\xff\""sv, "\"\xc3\""sv, "\"\xc0\xaf\""sv, "\"\xe0\x80\x80\""sv, "\"\xed\xa0\x80\""sv,
    "\"\xf4\x90\x80\x80\""sv, "\"\xf0\x80\x80\x80\""sv, "\"\x80\""sv, "[\xe5]"sv,
    // comments and other white space
    "/* */1"sv, "1//"sv, "#1"sv, "[1/**/]"sv, "\v1"sv, "\f1"sv,
    "\xc2\xa0"
    "1"sv,
    "\xe2\x81\xa0[]"sv, "\xe2\x80\xa8[]"sv,
    // allowed by the RFC to a reader, and refused by this one: it keeps every value exactly, or says why not
    "{\"a\":1,\"a\":2}"sv, "18446744073709551616"sv, "1e999"sv};

bool is_accepted(std::string_view text) {
  try {
    json_to_cbor(text);
    return true;
  } catch (const JsonError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("each rule of the grammar of RFC 8259 is kept") {
  for (const std::string_view text : accepted) {
    CAPTURE(text);
    CHECK(is_accepted(text));
  }
  for (const std::string_view text : refused) {
    CAPTURE(text);
    CHECK_FALSE(is_accepted(text));
  }
}

TEST_CASE("a text of JSON that is cut off anywhere is refused") {
  const std::string whole = R"({"a":[1,-2.5e+3,"b\u00e9\n",null,{"c":true}]})";
  REQUIRE(is_accepted(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(is_accepted(std::string_view(whole).substr(0, size)));
}

TEST_CASE("half a million brackets are refused, and nothing worse") {
  CHECK_FALSE(is_accepted(std::string(500'000, '[')));
  CHECK_FALSE(is_accepted(std::string(500'000, '[') + std::string(500'000, ']')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  CHECK_FALSE(is_accepted(objects));
}
