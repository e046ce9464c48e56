// SPDX-License-Identifier: Apache-2.0
//
// Unknown members: requests refuse them, answers ignore them.
#include "sample.hpp"

using namespace sample;
using backplane::decode;
using backplane::encode;
using backplane::lenient;
using backplane::strict;

namespace {

struct Narrow {
  std::int64_t a = 0;
};
BOOST_DESCRIBE_STRUCT(Narrow, (), (a))

struct Wide {
  std::int64_t a = 0;
  std::int64_t b = 0;
};
BOOST_DESCRIBE_STRUCT(Wide, (), (a, b))

struct StateBefore {
  std::uint32_t count = 0;
};
BOOST_DESCRIBE_STRUCT(StateBefore, (), (count))

struct StateNow {
  std::uint32_t count = 0;
  std::string order = "by age";
};
BOOST_DESCRIBE_STRUCT(StateNow, (), (count, order))
BACKPLANE_DEFAULTS(StateNow, order)

struct Outer {
  Narrow one;
  std::vector<Narrow> many;
  std::optional<std::int64_t> note;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (one, many, note))

struct Tree {
  std::vector<std::variant<Tree, Narrow>> left;
  std::int64_t x = 0;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (left, x))

const Bytes two = hex("a2 6161 01 6162 02");  // {a: 1, b: 2}

}  // namespace

TEST_CASE("a struct that is read leniently ignores members that it does not have") {
  CHECK(refusal<Narrow>(two) == "b: unknown field; known: a");
  CHECK(decode<Narrow>(two, lenient).a == 1);
  CHECK(decode<Narrow>(hex("a3 6178 9f82016179ff 6161 07 6178 a0"), lenient).a == 7);  // twice, and of any form
  CHECK(decode<Narrow>(hex("bf 617a 82f6f6 6161 05 ff"), lenient).a == 5);
  CHECK(Cbor::parse(two).as<Narrow>(lenient).a == 1);
  CHECK_THROWS_AS(Cbor::parse(two).as<Narrow>(), backplane::DecodeError);
  CHECK_THROWS_AS(decode<Narrow>(two, strict), backplane::DecodeError);
  CHECK(backplane::Error(BP_ERROR, "", Wide{3, 4}).detail_as<Narrow>().a == 3);
}

TEST_CASE("stored state is read by an older and by a newer version") {
  const Bytes of_newer = encode(StateNow{5, "by name"});
  CHECK(decode<StateBefore>(of_newer, lenient).count == 5);  // after a step back
  const Bytes of_older = encode(StateBefore{7});
  const auto read = decode<StateNow>(of_older, lenient);
  CHECK(read.count == 7);
  CHECK(read.order == "by age");
}

TEST_CASE("lenient reading goes down into members and elements") {
  const Bytes deep = hex("a2 636f6e65 a26161016162 02 646d616e79 81a2616201616102");
  CHECK(refusal<Outer>(deep) == "one.b: unknown field; known: a");
  const auto read = decode<Outer>(deep, lenient);
  CHECK(read.one.a == 1);
  CHECK(read.many.at(0).a == 2);
}

TEST_CASE("lenient reading still demands each member, once, of its type, and well-formed bytes") {
  const auto refused = [](const char* bytes) {
    try {
      decode<Narrow>(hex(bytes), lenient);
    } catch (const backplane::DecodeError& e) {
      return e.message();
    }
    return std::string();
  };
  CHECK(refused("a1 6162 02") == "a: missing, expected int");
  CHECK(refused("a2 6161 01 6161 02") == "a: given twice");
  CHECK(refused("a1 6161 6162") == "a: expected int, got text");
  CHECK(refused("a2 6161 01 6162 1c").find("b: not well-formed CBOR") == 0);
  CHECK(refused("a2 6161 01 6162 8201").find("b: not well-formed CBOR") == 0);
}

TEST_CASE("a variant that is read leniently prefers the form that knows all members") {
  using Either = std::variant<Narrow, Wide>;
  CHECK(std::get<Wide>(decode<Either>(two, lenient)).b == 2);
  CHECK(std::get<Narrow>(decode<Either>(hex("a1 6161 01"), lenient)).a == 1);
  CHECK(std::get<Narrow>(decode<Either>(hex("a2 6161 01 6163 03"), lenient)).a == 1);
  CHECK(std::get<Wide>(decode<Either>(hex("a3 6161 01 6162 02 6163 03"), lenient)).b == 2);  // a newer Wide
  const auto list = decode<std::vector<Either>>(hex("82 a3 6161 01 6162 02 6163 03 a1 6161 09"), lenient);
  CHECK(list.at(0).index() == 1);
  CHECK(std::get<Narrow>(list.at(1)).a == 9);
  using Nested = std::variant<std::map<std::string, Either>, Narrow>;
  CHECK(decode<Nested>(hex("a1 6161 01"), lenient).index() == 1);
  CHECK(std::get<0>(decode<Nested>(hex("a1 6161 a3 6161 01 6162 02 6163 03"), lenient)).at("a").index() == 1);
}

TEST_CASE("attempts at the forms of a type that contains itself are bounded") {
  // Each level reads its list before it finds that x is missing. Unbounded, 60 levels would take 2^60 attempts.
  for (const auto mode : {strict, lenient}) {
    Bytes bytes;
    for (int i = 0; i < 30; ++i) {
      for (const std::uint8_t byte : hex("a1 646c656674 81")) bytes.push_back(byte);
    }
    for (const std::uint8_t byte : hex("a1 6162 01")) bytes.push_back(byte);
    try {
      decode<Tree>(bytes, mode);
      FAIL("it was taken");
    } catch (const backplane::DecodeError& e) {
      CHECK(e.message().size() < 4000);
    }
  }
}
