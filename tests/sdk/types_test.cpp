// SPDX-License-Identifier: Apache-2.0
//
// Types of the standard library beside those of codec_test.cpp: there and back, as bytes, and refused.
#include "sample.hpp"

using namespace sample;
using backplane::As;
using backplane::decode;
using backplane::encode;
using backplane::Tagged;

namespace {

struct Node {
  std::int64_t value = 0;
  std::unique_ptr<Node> next;
  std::vector<Node> children;
  std::map<std::string, Node> named;
};
BOOST_DESCRIBE_STRUCT(Node, (), (value, next, children, named))

using Shape = Tagged<As<"circle", Point>, As<"square", Point>, As<"none", std::monostate>>;

template <class T>
std::string there_and_back(const T& value) {
  const Bytes bytes = encode(value);
  CHECK(decode<T>(bytes) == value);
  return to_hex(bytes);
}

}  // namespace

TEST_CASE("sequences and sets are arrays") {
  CHECK(there_and_back(std::deque<int>{1, 2}) == "820102");
  CHECK(there_and_back(std::list<std::string>{"a"}) == "816161");
  CHECK(there_and_back(std::set<int>{3, 1}) == "820103");
  CHECK(there_and_back(std::unordered_set<std::string>{"x"}) == "816178");
  CHECK(refusal<std::set<int>>(hex("82 01 01")) == "[1]: given twice");
  CHECK(refusal<std::deque<int>>(hex("81 6161")) == "[0]: expected int, got text");
}

TEST_CASE("pairs, tuples and arrays are arrays of their size") {
  CHECK(there_and_back(std::pair<int, std::string>{1, "a"}) == "82016161");
  CHECK(there_and_back(std::tuple<bool, int, std::string>{true, 2, ""}) == "83f50260");
  CHECK(there_and_back(std::array<int, 3>{1, 2, 3}) == "83010203");
  CHECK(decode<std::array<int, 2>>(hex("9f 01 02 ff")) == std::array<int, 2>{1, 2});
  using Pair = std::pair<int, std::string>;
  CHECK(refusal<Pair>(hex("81 01")) == "expected 2 elements, got 1");
  CHECK(refusal<Pair>(hex("83 01 6161 02")) == "expected 2 elements, got 3");
  CHECK(refusal<Pair>(hex("9f 01 ff")) == "expected 2 elements, got 1");
  CHECK(refusal<Pair>(hex("9f 01 6161 02 ff")) == "[2]: expected only 2 elements");
  CHECK(refusal<Pair>(hex("82 6161 6161")) == "[0]: expected int, got text");
  CHECK(refusal<std::array<int, 2>>(hex("9f 01 02 03 ff")) == "[2]: expected only 2 elements");
  CHECK(refusal<std::array<int, 2>>(hex("81 01")) == "expected 2 elements, got 1");
}

TEST_CASE("arrays of bytes are bytes") {
  using Four = std::array<std::uint8_t, 4>;
  CHECK(there_and_back(Four{1, 2, 3, 4}) == "4401020304");
  CHECK(there_and_back(std::array<std::byte, 1>{std::byte{7}}) == "4107");
  CHECK(decode<Four>(hex("5f 41 01 43 020304 ff")) == Four{1, 2, 3, 4});
  CHECK(refusal<Four>(hex("43 010203")) == "expected 4 bytes, got 3");
  CHECK(refusal<Four>(hex("45 0102030405")) == "expected 4 bytes, got 5");
  CHECK(refusal<Four>(hex("5f 43 010203 43 040506 ff")) == "expected 4 bytes, got 6");
  CHECK(refusal<Four>(hex("01")) == "expected 4 bytes, got int");
}

TEST_CASE("maps may have integers as keys, and read such of JSON, which are text") {
  using Map = std::map<int, std::string>;
  CHECK(there_and_back(Map{{-1, "a"}, {5, "b"}}) ==
        "a220616105"
        "6162");
  CHECK(there_and_back(std::unordered_map<std::uint8_t, bool>{{9, true}}) == "a109f5");
  CHECK(decode<Map>(hex("a1 622d31 6161")) == Map{{-1, "a"}});
  CHECK(decode<Map>(hex("bf 01 6161 ff")) == Map{{1, "a"}});
  CHECK(refusal<Map>(hex("a2 01 6161 6131 6162")) == "1: given twice");
  CHECK(refusal<Map>(hex("a1 613a 6161")) == "expected an integer as key, got \":\"");
  CHECK(refusal<Map>(hex("a1 60 6161")) == "expected an integer as key, got \"\"");
  CHECK(refusal<std::map<std::uint8_t, int>>(hex("a1 190100 01")) == "expected 0..255, got 256");
  CHECK(refusal<std::map<std::uint8_t, int>>(hex("a1 63323536 01")) == "expected an integer as key, got \"256\"");
  CHECK(refusal<Map>(hex("a1 01 02")) == "1: expected text, got int");
}

TEST_CASE("durations are integers, paths are text") {
  CHECK(there_and_back(std::chrono::milliseconds(1500)) == "1905dc");
  CHECK(there_and_back(std::chrono::hours(-1)) == "20");
  CHECK(refusal<std::chrono::seconds>(hex("6161")) == "expected int, got text");
  CHECK(there_and_back(std::filesystem::path("/tmp/ä")) ==
        "67"
        "2f746d702fc3a4");
  CHECK_THROWS_AS(encode(std::filesystem::path("\xff")), backplane::Error);
}

TEST_CASE("a unique_ptr is its object or null, and lets a struct contain itself") {
  Node list;
  list.value = 1;
  list.next = std::make_unique<Node>();
  list.next->value = 2;
  list.children.emplace_back().value = 3;
  list.named["x"].value = 4;
  const Bytes bytes = encode(list);
  const Node read = decode<Node>(bytes);
  CHECK(read.next->value == 2);
  CHECK(read.next->next == nullptr);
  CHECK(read.children.at(0).value == 3);
  CHECK(read.named.at("x").value == 4);
  CHECK(to_hex(encode(read)) == to_hex(bytes));
  CHECK(to_hex(encode(std::unique_ptr<int>())) == "f6");
  CHECK(decode<std::unique_ptr<int>>(hex("f6")) == nullptr);
  CHECK(*decode<std::unique_ptr<int>>(hex("05")) == 5);
  CHECK(refusal<Node>(hex("a3 6576616c7565 01 686368696c6472656e 80 656e616d6564 a0")) == "");
}

TEST_CASE("nesting by types that contain themselves is bounded") {
  Bytes deep;
  for (int i = 0; i < 100; ++i) {
    for (const std::uint8_t byte : hex("a1 646e657874")) deep.push_back(byte);
  }
  deep.push_back(0xf6);
  CHECK(refusal<Node>(deep).find("nested deeper than 64 levels") != std::string::npos);
}

TEST_CASE("a Tagged says which alternative it is") {
  const Shape square = As<"square", Point>{{1, 2}};
  const Bytes bytes = encode(square);
  CHECK(to_hex(bytes).substr(0, 16) == "a166737175617265");
  const auto read = decode<Shape>(bytes);
  CHECK(read.get<"circle">() == nullptr);
  CHECK(read.get<"square">()->y == 2);
  CHECK(decode<Shape>(hex("a1 646e6f6e65 f6")).index() == 2);
  CHECK(refusal<Shape>(hex("a0")) == "found none of the fields: circle, square, none");
  CHECK(refusal<Shape>(hex("a1 6161 01")) == "a: unknown field; expected one of: circle, square, none");
  CHECK(refusal<Shape>(hex("a2 646e6f6e65 f6 646e6f6e65 f6")) ==
        "none: expected one field only, of: circle, square, none");
  CHECK(refusal<Shape>(hex("a1 66636972636c65 01")) == "circle: expected map, got int");
  CHECK(decode<Shape>(hex("a2 6161 01 646e6f6e65 f6"), backplane::lenient).index() == 2);
}
