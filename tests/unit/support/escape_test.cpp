// SPDX-License-Identifier: Apache-2.0
//
// The escaper of the log, the command line and the SDK.
#include <backplane/cbor/escape.hpp>
#include <catch2/catch.hpp>
#include <string>

using backplane::cbor::Escape;
using backplane::cbor::escaped;

TEST_CASE("each style escapes what could end a line, control a terminal or turn text around") {
  const std::string text = "a\"\\\n\t\x1b\x7f\xc2\x9b\u2028\u202e\u2066\u200f\u061c\ufeff\xff\xc3z";
  const std::string turned = R"(\u2028\u202e\u2066\u200f\u061c\ufeff)";
  CHECK(escaped(text, Escape::line) == R"(a"\)"
                                       R"(\x0a\x09\x1b\x7f\u009b)" +
                                           turned + R"(\xff\xc3z)");
  CHECK(escaped(text, Escape::lines) == "a\"\\\n\t" + std::string(R"(\x1b\x7f\u009b)") + turned + R"(\xff\xc3z)");
  CHECK(escaped(text, Escape::quoted) == R"(a\"\\\x0a\x09\x1b\x7f\u009b)" + turned + R"(\xff\xc3z)");
  CHECK(escaped(text, Escape::json) == R"(a\"\\\n\t\u001b\u007f\u009b)" + turned + R"(\ufffd\ufffdz)");
}

TEST_CASE("text that harms nobody stays as it is") {
  const std::string text =
      "caf\u00e9 \u6c34 \U0001F469\u200d\U0001F680 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u00a0";
  for (const Escape style : {Escape::line, Escape::lines, Escape::quoted, Escape::json})
    CHECK(escaped(text, style) == text);
}

TEST_CASE("a byte becomes at most six") {
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (const Escape style : {Escape::line, Escape::lines, Escape::quoted, Escape::json}) {
      CHECK(escaped(std::string(3, static_cast<char>(byte)), style).size() <= 18);
    }
  }
}
