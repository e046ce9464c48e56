// SPDX-License-Identifier: Apache-2.0
//
// JSON to CBOR and back: the mapping, its forms, and the errors.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>

#include "cli/json/base64.hpp"
#include "cli/json/json.hpp"

using backplane::cbor::Bytes;
using backplane::host::cbor_to_json;
using backplane::host::json_to_cbor;
using backplane::host::JsonError;
using backplane::host::JsonStyle;
namespace cbor = backplane::cbor;

namespace {

Bytes hex(std::string text) {
  std::erase(text, ' ');
  const std::string_view digits = text;
  Bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

struct Pair {
  const char* json;
  const char* cbor;
};

JsonError refusal(const std::string& json) {
  try {
    json_to_cbor(json);
  } catch (const JsonError& error) {
    return error;
  }
  FAIL("not refused: " << json);
  throw 0;
}

}  // namespace

TEST_CASE("JSON and CBOR values stand for each other, both ways") {
  const auto pair = GENERATE(values<Pair>({
      {"null", "f6"},
      {"true", "f5"},
      {"false", "f4"},
      {"0", "00"},
      {"-1", "20"},
      {"9007199254740993", "1b0020000000000001"},
      {"18446744073709551615", "1bffffffffffffffff"},
      {"-9223372036854775808", "3b7fffffffffffffff"},
      {R"({"$int":"-9223372036854775809"})", "3b8000000000000000"},
      {R"({"$int":"-18446744073709551616"})", "3bffffffffffffffff"},
      {"1.0", "fb3ff0000000000000"},
      {"-0.0", "fb8000000000000000"},
      {"0.1", "fb3fb999999999999a"},
      {"1e+300", "fb7e37e43c8800759c"},
      {"5e-324", "fb0000000000000001"},
      {R"({"$float":"nan"})", "fb7ff8000000000000"},
      {R"({"$float":"inf"})", "fb7ff0000000000000"},
      {R"({"$float":"-inf"})", "fbfff0000000000000"},
      {R"("")", "60"},
      {R"("a\"\\\n\t\u0001é")",
       "69"
       "61225c0a0901"
       "c3a9"},
      {R"({"$bytes":""})", "40"},
      {R"({"$bytes":"AQI="})", "420102"},
      {"[]", "80"},
      {"[1,[2]]", "82018102"},
      {"{}", "a0"},
      {R"({"b":1,"a":2})", "a2616201616102"},
      {R"({"$map":[[1,2]]})", "a10102"},
      {R"({"$map":[["$bytes",""]]})", "a16624627974657360"},
      {R"({"$a":1,"b":2})", "a262246101616202"},
      {R"({"$tag":[1,0]})", "c100"},
      {R"({"$tag":[18446744073709551615,null]})", "dbfffffffffffffffff6"},
      {R"({"$undefined":true})", "f7"},
  }));
  CAPTURE(pair.json);
  if (std::string(pair.json).find("u0001") == std::string::npos) CHECK(json_to_cbor(pair.json) == hex(pair.cbor));
  CHECK(cbor_to_json(json_to_cbor(pair.json)) == pair.json);
  CHECK(cbor_to_json(hex(std::string(pair.json).find("u0001") == std::string::npos ? pair.cbor
                                                                                   : "68"
                                                                                     "61225c0a0901"
                                                                                     "c3a9")) == pair.json);
}

TEST_CASE("CBOR that could be shorter, or comes in chunks, gives the same JSON") {
  const auto pair = GENERATE(values<Pair>({
      {"1", "1b0000000000000001"},
      {"1.5", "f93e00"},
      {"1.5", "fa3fc00000"},
      {R"({"$float":"nan"})", "f97e00"},
      {R"("ab")", "7f61616162ff"},
      {R"({"$bytes":"AQI="})", "5f41014102ff"},
      {"[1,2]", "9f0102ff"},
      {R"({"a":1})", "bf616101ff"},
      {R"({"ab":1})", "bf7f61616162ff01ff"},
      {R"({"$map":[["a",1],["a",2]]})", "a2616101616102"},
  }));
  CHECK(cbor_to_json(hex(pair.cbor)) == pair.json);
}

TEST_CASE("a simple value is written as its form says") { CHECK(json_to_cbor(R"({"$simple": 5})") == hex("e5")); }

TEST_CASE("a payload may be given as raw bytes, but only as a whole") {
  CHECK(backplane::host::json_to_payload(R"( {"$raw": "/wA="} )") == hex("ff00"));
  CHECK(backplane::host::json_to_payload(R"({"$raw": ""})").empty());
  CHECK(backplane::host::json_to_payload(R"({"a": 1})") == hex("a1616101"));
  CHECK_THROWS_AS(backplane::host::json_to_payload(R"([{"$raw": "/wA="}])"), JsonError);
  CHECK_THROWS_AS(backplane::host::json_to_payload(R"({"$raw": "x"})"), JsonError);
  CHECK_THROWS_AS(json_to_cbor(R"({"$raw": "/wA="})"), JsonError);
}

TEST_CASE("indented JSON has a line for each element and two spaces a level") {
  const Bytes cbor = json_to_cbor(R"({"a":[1,{"b":[]}],"c":{"$bytes":"AQI="}})");
  CHECK(cbor_to_json(cbor, JsonStyle::indented) ==
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {\"$bytes\": \"AQI=\"}\n}");
  CHECK(json_to_cbor(cbor_to_json(cbor, JsonStyle::indented)) == cbor);
}

TEST_CASE("JSON that is given in pieces is the same text, and no piece is large") {
  cbor::Bytes item;
  cbor::Writer writer(item);
  constexpr std::size_t count = 200'000;
  writer.array(count);
  for (std::size_t i = 0; i < count; ++i) writer.uint(i);
  for (const JsonStyle style : {JsonStyle::compact, JsonStyle::indented}) {
    std::string all;
    std::size_t largest = 0;
    cbor_to_json(item, style, [&](std::string_view piece) {
      all += piece;
      largest = std::max(largest, piece.size());
    });
    CHECK(all == cbor_to_json(item, style));
    CHECK(largest < 100'000);
  }
  std::string small;
  cbor_to_json(hex("f6"), JsonStyle::compact, [&](std::string_view piece) { small += piece; });
  CHECK(small == "null");
  item.pop_back();
  CHECK_THROWS_AS(cbor_to_json(item, JsonStyle::compact, [](std::string_view) {}), cbor::Error);
}

TEST_CASE("control characters never reach a terminal") {
  CHECK(backplane::host::json_quote("\x1b[31m\x7f\xc2\x9b\r") == R"("\u001b[31m\u007f\u009b\u000d")");
  CHECK(backplane::host::json_quote("\u202e\u2028\u2066\ufeff\u200d") == "\"\\u202e\\u2028\\u2066\\ufeff\u200d\"");
  CHECK(backplane::host::json_quote("\xff") == R"("\ufffd")");
}

TEST_CASE("a syntax error names line and column and shows the place") {
  const JsonError error = refusal("{\n  \"text\": \"é\", }");
  CHECK(error.line == 2);
  CHECK(error.column == 16);
  CHECK(error.what() == std::string("line 2, column 16: not JSON: did not expect }\n"
                                    "      \"text\": \"é\", }\n"
                                    "                   ^"));
}

TEST_CASE("JSON that cannot be said in CBOR, or says it wrongly, is refused with the cause") {
  const auto [json, cause] = GENERATE(table<const char*, const char*>({
      {"", "found nothing"},
      {"  ", "found nothing"},
      {"{", "ends too early"},
      {"{} {}", "found more text after the end"},
      {"nope", "did not expect"},
      {"{'a': 1}", "did not expect '"},
      {"01", "found more text after the end"},
      {R"({"a":1,"a":2})", "\"a\" appears twice"},
      {R"({"a":1,"\u0061":2})", "\"a\" appears twice"},
      {"18446744073709551616", "does not fit 64 bits"},
      {"-9223372036854775809", "does not fit 64 bits"},
      {"1e999", "too large for a float"},
      {R"({"$bytes": "A"})", "base64"},
      {R"({"$bytes": "AQJ="})", "base64"},
      {R"({"$bytes": "A==="})", "base64"},
      {R"({"$bytes": "AQ==AQ=="})", "base64"},
      {R"({"$bytes": 1})", "base64"},
      {R"({"$float": "1"})", "\"nan\", \"inf\" or \"-inf\""},
      {R"({"$int": "-18446744073709551617"})", "\"$int\" expects"},
      {R"({"$int": 1})", "\"$int\" expects"},
      {R"({"$map": {}})", "array of arrays of two"},
      {R"({"$map": [[1]]})", "array of arrays of two"},
      {R"({"$tag": [-1, 0]})", "a number and a value"},
      {R"({"$undefined": false})", "expects true"},
      {R"({"$simple": 24})", "from 0 to 19 or from 32 to 255"},
      {R"({"$ref": 1})", "expected \"$bytes\""},
      {"\"\x80\"", "line 1"},
      {R"("\ud800")", "line 1"},
  }));
  CAPTURE(json);
  CHECK_THAT(refusal(json).what(), Catch::Contains(cause));
}

TEST_CASE("sixty-four levels pass, and one more is refused, in JSON and in CBOR") {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + "1" + std::string(levels, ']'); };
  CHECK(cbor_to_json(json_to_cbor(nested(64))) == nested(64));
  CHECK_THAT(refusal(nested(65)).what(), Catch::Contains("nested deeper than 64 levels"));
  CHECK_THAT(refusal(std::string(100000, '[')).what(), Catch::Contains("nested deeper than 64 levels"));
  Bytes deep(65, 0x81);
  deep.push_back(1);
  CHECK_THROWS_AS(cbor_to_json(deep), backplane::cbor::Error);
  std::string maps = "1";
  for (int i = 0; i < 64; ++i) maps = R"({"$map":[[)" + maps + ",0]]}";
  CHECK(cbor_to_json(json_to_cbor(maps)) == maps);
}

TEST_CASE("a number is judged by its value, not by its digits") {
  const std::string zeros(400, '0');
  const auto [json, value] = GENERATE_REF(table<std::string, double>({
      {"0e2147483648", 0.0},
      {"0.0E+99999999999999999999", 0.0},
      {"1E-999", 0.0},
      {"1e-2147483649", 0.0},
      {"12e-0000000000000000000001", 1.2},
      {"1e0000000000000000000002", 100.0},
      {"1" + zeros + "e-400", 1.0},
      {"0." + zeros + "1e401", 1.0},
      {"2.2250738585072011e-308", 2.2250738585072011e-308},
      {"9007199254740993.0", 9007199254740992.0},
  }));
  CAPTURE(json);
  const Bytes cbor = json_to_cbor(json);
  REQUIRE(cbor.size() == 9);
  CHECK(cbor::Reader(cbor).next().real == value);
  CHECK(std::signbit(cbor::Reader(json_to_cbor("-" + json)).next().real));
  for (const char* large : {"1e999", "1e2147483648", "-1e99999999999", "0.1e+3000000000"}) {
    CHECK_THAT(refusal(large).what(), Catch::Contains("too large for a float"));
  }
  CHECK(json_to_cbor(R"({"1e99999999999":"1e99999999999\"2e99999999999"})") ==
        hex("a1 6d 31653939393939393939393939 78 1b 31653939393939393939393939 22 32653939393939393939393939"));
}

TEST_CASE("an error names what shows nothing") {
  const auto [json, name] = GENERATE(table<const char*, const char*>({
      {"\ufeff1", "did not expect U+FEFF (byte order mark)\n     1\n    ^"},
      {"\u00a01", "did not expect U+00A0 (no-break space)"},
      {"\u200b1", "did not expect U+200B (zero width space)\n     1\n    ^"},
      {"[\u202e]", "did not expect U+202E (right-to-left override)"},
      {"[\u2028]", "did not expect U+2028 (line separator)"},
      {"\x07", "did not expect U+0007 (a control character)"},
      {"[\xc3\xa9]", "did not expect U+00E9 (\xc3\xa9)"},
      {"[\xff]", "did not expect the byte 0xff, which is not UTF-8"},
      {"[x]", "did not expect x\n"},
  }));
  CHECK_THAT(refusal(json).what(), Catch::Contains(name));
}

TEST_CASE("CBOR that is none is refused with the offset of the item") {
  const auto [cbor, offset] = GENERATE(table<const char*, std::size_t>({
      {"8201", 0},
      {"820161", 2},
      {"0000", 1},
      {"a1ff00", 1},
      {"61ff", 0},
      {"81ff", 1},
      {"5f6161ff", 1},
      {"bf01ff", 2},
  }));
  CAPTURE(cbor);
  try {
    cbor_to_json(hex(cbor));
    FAIL("not refused");
  } catch (const backplane::cbor::Error& error) {
    CHECK(error.offset == offset);
  }
}

TEST_CASE("base64 agrees with the test vectors of RFC 4648") {
  const auto [text, encoded] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  }));
  const Bytes bytes(text.begin(), text.end());
  CHECK(backplane::host::base64(bytes) == encoded);
  CHECK(backplane::host::base64_decode(encoded) == bytes);
}
