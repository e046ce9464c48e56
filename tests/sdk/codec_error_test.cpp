// SPDX-License-Identifier: Apache-2.0
//
// What the codec says of wrong input.
#include "sample.hpp"

using namespace sample;

namespace {

struct Batch {
  std::vector<Message> messages;
  std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(Batch, (), (messages, note))

struct Small {
  std::uint8_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Small, (), (count))

Bytes batch(std::string_view second) {
  const std::string key = "a1 68 6d65737361676573 ";  // {"messages": …}
  return hex(key + "82 a2 67 6d657373616765 61 61 68 64656c61795f6d73 01 " + std::string(second));
}

}  // namespace

TEST_CASE("an error names the field by its path") {
  CHECK(refusal<Batch>(batch("a2 67 6d657373616765 61 61 68 64656c61795f6d73 61 78")) ==
        "messages[1].delay_ms: expected int, got text");
  CHECK(refusal<Batch>(hex("a1 68 6d65737361676573 01")) == "messages: expected array, got int");
  CHECK(refusal<Batch>(hex("01")) == "expected map, got int");
  CHECK(refusal<std::map<std::string, std::vector<int>>>(hex("a1 63 61 2e 62 81 f5")) ==
        "[\"a.b\"][0]: expected int, got bool");
}

TEST_CASE("a missing field is named with what was expected") {
  CHECK(refusal<Message>(hex("a0")) == "message: missing, expected text");
  CHECK(refusal<Batch>(batch("a1 67 6d657373616765 61 61")) == "messages[1].delay_ms: missing, expected int");
}

TEST_CASE("an unknown field is refused, and the known ones are listed") {
  CHECK(refusal<Message>(hex("a1 66 636f6c6f7572 01")) == "colour: unknown field; known: message, delay_ms");
  CHECK(refusal<Batch>(batch("a1 61 78 01")) == "messages[1].x: unknown field; known: message, delay_ms");
  CHECK(refusal<Empty>(hex("a1 61 78 01")) == "x: unknown field; known: none");
}

TEST_CASE("a field given twice is refused") {
  CHECK(refusal<Small>(hex("a2 65 636f756e74 01 65 636f756e74 01")) == "count: given twice");
  CHECK(refusal<std::map<std::string, int>>(hex("a2 61 61 01 61 61 02")) == "a: given twice");
}

TEST_CASE("an integer out of range is refused with the range") {
  CHECK(refusal<Small>(hex("a1 65 636f756e74 19012c")) == "count: expected 0..255, got 300");
  CHECK(refusal<Small>(hex("a1 65 636f756e74 20")) == "count: expected 0..255, got -1");
  CHECK(refusal<std::int8_t>(hex("3880")) == "expected -128..127, got -129");
  CHECK(refusal<std::int64_t>(hex("1b8000000000000000")) ==
        "expected -9223372036854775808..9223372036854775807, got 9223372036854775808");
  CHECK(refusal<std::int64_t>(hex("3bffffffffffffffff")) ==
        "expected -9223372036854775808..9223372036854775807, got -18446744073709551616");
  CHECK(refusal<std::uint64_t>(hex("20")) == "expected 0..18446744073709551615, got -1");
  CHECK(refusal<int>(hex("fb3ff0000000000000")) == "expected int, got float");
  CHECK(refusal<float>(hex("fb7e37e43c8800759c")) == "expected -3.4028235e+38..3.4028235e+38, got 1e+300");
}

TEST_CASE("an enum lists the texts it takes") {
  CHECK(refusal<Colour>(hex("64 626c7565")) == R"(expected "red", "green" or "delete", got "blue")");
  CHECK(refusal<Colour>(hex("01")) == R"(expected "red", "green" or "delete", got int)");
  CHECK(refusal<Colour>(hex("63 0a 22 1b")) == R"(expected "red", "green" or "delete", got "\x0a\"\x1b")");
}

TEST_CASE("a variant says what it takes, or why none of its forms fits") {
  CHECK(refusal<std::variant<bool, std::string>>(hex("01")) == "expected bool or text, got int");
  CHECK(refusal<std::variant<std::string, Message>>(hex("a0")) == "message: missing, expected text");
  CHECK(refusal<std::variant<Message, Point>>(hex("a0")) ==
        "fits none of 2 forms (message: missing, expected text; x: missing, expected number)");
}

TEST_CASE("an optional's error is that of its value") {
  CHECK(refusal<std::optional<int>>(hex("6161")) == "expected int, got text");
  CHECK(refusal<std::vector<std::optional<bool>>>(hex("81 01")) == "[0]: expected bool, got int");
}

TEST_CASE("bytes that are no CBOR are told from CBOR of the wrong shape") {
  CHECK(refusal<int>({}) == "not well-formed CBOR: the CBOR ends too early, at byte 0");
  CHECK(refusal<int>(hex("1c")) == "not well-formed CBOR: no CBOR item begins with the byte 0x1c, at byte 0");
  CHECK(refusal<std::string>(hex("6161 00")) == "found more bytes after the end of the item, at byte 2");
  CHECK(refusal<std::string>(hex("62 61")) == "not well-formed CBOR: the CBOR ends too early, at byte 0");
  CHECK(refusal<std::string>(hex("61 ff")) == "not well-formed CBOR: text that is not UTF-8, at byte 0");
  CHECK(refusal<std::string>(hex("7f 41 61 ff")) == "found a chunk of another type in a string");
  CHECK(refusal<std::vector<int>>(hex("81 ff")) == "[0]: expected int, got end");
  CHECK(refusal<Message>(hex("bf 67 6d657373616765 ff")) == "message: expected text, got end");
  CHECK(refusal<Message>(hex("a1 01 02")) == "expected text as key, got int");
}

namespace {

struct Parts {
  std::vector<std::optional<Colour>> colours;
  std::optional<std::string> note;
  std::map<std::string, Colour> named;
  Message last;
};
BOOST_DESCRIBE_STRUCT(Parts, (), (colours, note, named, last))

template <class T>
std::string unsent(const T& value) {
  try {
    backplane::encode(value);
  } catch (const backplane::Error& e) {
    CHECK(e.status() == BP_EXCEPTION);
    return e.message();
  }
  return "it was sent";
}

}  // namespace

TEST_CASE("what cannot be sent is said with its path") {
  const std::string no_text = ": cannot be sent: text that is not UTF-8";
  const std::string no_name = R"(cannot be sent: enum value 9 has no name; names: "red", "green" or "delete")";
  constexpr auto nameless = static_cast<Colour>(9);
  CHECK(unsent(std::string("\xc3")) == no_text.substr(2));
  CHECK(unsent(nameless) == no_name);
  CHECK(unsent(std::vector<Message>{{"fine", 1}, {"\xc3", 2}}) == "[1].message" + no_text);
  CHECK(unsent(std::vector<std::string>{"fine", "f\xffne"}) == "[1]" + no_text);
  CHECK(unsent(Parts{{Colour::red, {}, nameless}, {}, {}, {}}) == "colours[2]: " + no_name);
  CHECK(unsent(Parts{{}, "\x80 and more", {}, {}}) == "note" + no_text);
  CHECK(unsent(Parts{{}, {}, {{"a", Colour::red}, {"b", nameless}}, {}}) == "named.b: " + no_name);
  CHECK(unsent(Parts{{}, {}, {}, {"a text of more than eight \xed\xa0\x80", 1}}) == "last.message" + no_text);
}
