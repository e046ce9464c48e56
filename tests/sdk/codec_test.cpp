// SPDX-License-Identifier: Apache-2.0
//
// What the codec writes, and that it reads back what it wrote.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "sample.hpp"

using namespace sample;
using backplane::decode;
using backplane::encode;

namespace {

struct Ordered {
  int a = 0;
  std::optional<bool> b;
  Colour color = Colour::red;
};
BOOST_DESCRIBE_STRUCT(Ordered, (), (a, b, color))

struct Bounded {
  std::optional<int> limit = 5;
  std::optional<int> other;
  friend bool operator==(const Bounded&, const Bounded&) = default;
};
BOOST_DESCRIBE_STRUCT(Bounded, (), (limit, other))

template <class T>
void check_round_trip(const T& value, std::string_view bytes) {
  CHECK(to_hex(encode(value)) == bytes);
  CHECK(decode<T>(hex(bytes)) == value);
}

}  // namespace

TEST_CASE("every integer type keeps its extreme values, in the shortest form") {
  check_round_trip<std::int8_t>(-128, "387f");
  check_round_trip<std::int8_t>(127, "187f");
  check_round_trip<std::uint8_t>(23, "17");
  check_round_trip<std::uint8_t>(255, "18ff");
  check_round_trip<std::int16_t>(-32768, "397fff");
  check_round_trip<std::uint16_t>(65535, "19ffff");
  check_round_trip<std::int32_t>(INT32_MIN, "3a7fffffff");
  check_round_trip<std::uint32_t>(UINT32_MAX, "1affffffff");
  check_round_trip<std::int64_t>(INT64_MIN, "3b7fffffffffffffff");
  check_round_trip<std::int64_t>(INT64_MAX, "1b7fffffffffffffff");
  check_round_trip<std::uint64_t>(UINT64_MAX, "1bffffffffffffffff");
  check_round_trip<std::int64_t>(-1, "20");
}

TEST_CASE("bools, text, bytes and null have the forms of RFC 8949") {
  check_round_trip(true, "f5");
  check_round_trip(false, "f4");
  check_round_trip<std::string>("", "60");
  check_round_trip<std::string>("ü", "62c3bc");
  check_round_trip<Bytes>({1, 2, 3}, "43010203");
  check_round_trip(std::monostate(), "f6");
  check_round_trip(std::optional<int>(), "f6");
  check_round_trip(std::optional<int>(5), "05");
}

TEST_CASE("floats keep every bit, and integers stand for floats") {
  check_round_trip(1.1, "fb3ff199999999999a");
  check_round_trip(1.5F, "fa3fc00000");
  check_round_trip(-std::numeric_limits<double>::infinity(), "fbfff0000000000000");
  CHECK(std::isnan(decode<double>(encode(std::nan("")))));
  CHECK(decode<double>(hex("03")) == 3.0);
  CHECK(decode<float>(hex("3863")) == -100.0F);
  CHECK(decode<double>(hex("3bffffffffffffffff")) == -18446744073709551616.0);
  CHECK(decode<double>(hex("f93c00")) == 1.0);                  // half precision
  CHECK(decode<float>(hex("fb3ff0000000000000")) == 1.0F);      // double into float
  CHECK(std::isinf(decode<float>(hex("fb7ff0000000000000"))));  // infinity fits any width
}

TEST_CASE("an integer or a double that stands for a float is rounded once") {
  CHECK(decode<double>(hex("3b0020000000000001")) == -9007199254740994.0);
  CHECK(decode<double>(hex("3b0020000000000000")) == -9007199254740992.0);  // -9007199254740993: to even
  CHECK(decode<double>(hex("1b0020000000000001")) == 9007199254740992.0);
  // 2^54 + 2^30 + 1: a double would lose the 1, and then round to 2^54.
  CHECK(decode<float>(hex("1b0040000040000001")) == 0x1.000002p54F);
  CHECK(decode<float>(hex("3b0040000040000000")) == -0x1.000002p54F);
  CHECK(decode<float>(hex("3bffffffffffffffff")) == -0x1p64F);
  // 3.4028235e38 is a little more than the largest float, and its shortest form.
  CHECK(decode<float>(encode(3.4028235e38)) == std::numeric_limits<float>::max());
  CHECK(decode<float>(encode(-3.4028235e38)) == -std::numeric_limits<float>::max());
  CHECK(decode<float>(encode(3.4028235677973362e38)) == std::numeric_limits<float>::max());
  CHECK(refusal<float>(encode(0x1.ffffffp127)) == "expected -3.4028235e+38..3.4028235e+38, got 3.4028235677973366e+38");
}

TEST_CASE("text that is joined shows numbers in their shortest form") {
  CHECK(backplane::join(0.1, ' ', 1.5F, ' ', 1e300, ' ', -7, ' ', true) == "0.1 1.5 1e+300 -7 true");
}

TEST_CASE("text of unknown origin is shown on one line, and controls nothing") {
  using backplane::detail::repaired;
  using backplane::detail::shown;
  CHECK(shown("a\n\x1b\"\xc2\x9b\u202e\u2028\xff") == R"(a\x0a\x1b\"\u009b\u202e\u2028\xff)");
  CHECK(shown(std::string(100, 'x')) == std::string(64, 'x') + "…");
  CHECK(repaired("caf\xc3\xa9 \xe9") == "caf\xc3\xa9 \\xe9");
}

TEST_CASE("a value of any shape counts the levels around it") {
  const auto nest = [](std::size_t levels) { return Bytes(levels, 0x81); };
  Bytes deep = nest(64);
  deep.push_back(0x01);
  const Cbor kept = decode<Cbor>(deep);
  CHECK(kept.view().size() == 65);
  Bytes around = {0x81};
  around.insert(around.end(), deep.begin(), deep.end());
  CHECK_THAT(refusal<std::vector<Cbor>>(around), Catch::Contains("nested deeper than 64 levels"));
}

TEST_CASE("a value with every type in it survives the way out and back") {
  const Everything in = full();
  const Bytes bytes = encode(in);
  const auto out = decode<Everything>(bytes);
  CHECK(encode(out) == bytes);
  CHECK(out.flag);
  CHECK(out.i64 == INT64_MIN);
  CHECK(out.u64 == UINT64_MAX);
  CHECK(out.text == in.text);
  CHECK(out.bytes == in.bytes);
  CHECK(out.messages == in.messages);
  CHECK(out.flags == in.flags);
  CHECK(out.map == in.map);
  CHECK(out.hash == in.hash);
  CHECK(out.holes == in.holes);
  CHECK(out.colour == Colour::delete_);
  CHECK(std::get<Message>(out.choice) == Message{"m", 9});
  CHECK(out.any.as<std::vector<std::string>>() == std::vector<std::string>{"x", "y"});
}

TEST_CASE("a struct is a map in order of declaration, and an empty optional is left out") {
  CHECK(to_hex(encode(Message{"hi", 3})) ==
        "a2676d657373616765626869"
        "6864656c61795f6d7303");
  CHECK(to_hex(encode(Empty{})) == "a0");
  Everything e;
  const Bytes without = encode(e);
  e.note = "";
  CHECK(without[0] == 0xb6);  // 22 of the 23 members
  CHECK(encode(e)[0] == 0xb7);
}

TEST_CASE("an empty optional with an initializer is written as null, since its absence means the initializer") {
  check_round_trip(Bounded{std::nullopt, {}}, "a1656c696d6974f6");
  check_round_trip(Bounded{}, "a1656c696d697405");
  check_round_trip(Bounded{std::nullopt, 1}, "a2656c696d6974f6656f7468657201");
  CHECK(decode<Bounded>(hex("a0")) == Bounded{});
}

TEST_CASE("keys may come in any order") {
  const auto m = decode<Message>(hex("a2 68 64656c61795f6d73 03 67 6d657373616765 62 6869"));
  CHECK(m == Message{"hi", 3});
}

TEST_CASE("each key is known in every order and in every form, with an optional there or not") {
  using Catch::Matchers::EndsWith;
  // In its shortest form; longer; in chunks or tagged.
  const std::string keys[3][3] = {{"61 61", "78 01 61", "7f 61 61 ff"},
                                  {"61 62", "79 0001 62", "c1 61 62"},
                                  {"65 636f6c6f72", "78 05 636f6c6f72", "7f 63 636f6c 62 6f72 ff"}};
  const std::string values[] = {"18 2a", "f5", "65 677265656e"};
  std::array<std::size_t, 3> order = {0, 1, 2};
  do {
    for (std::size_t forms = 0; forms < 27; ++forms) {
      const std::size_t form[] = {forms % 3, forms / 3 % 3, forms / 9};
      const auto pair = [&](std::size_t i) { return keys[i][form[i]] + ' ' + values[i] + ' '; };
      const auto pairs_without = [&](std::size_t left_out) {
        std::string out;
        for (const std::size_t i : order) out += i == left_out ? "" : pair(i);
        return out;
      };
      const std::string pairs = pairs_without(3);
      for (const std::string& item : {"a3 " + pairs, "bf " + pairs + "ff", "b8 03 " + pairs}) {
        INFO(item);
        const auto read = decode<Ordered>(hex(item));
        CHECK((read.a == 42 && read.b == true && read.color == Colour::green));
      }
      INFO(pairs);
      CHECK(decode<Ordered>(hex("a2 " + pairs_without(1))).b == std::nullopt);
      CHECK(refusal<Ordered>(hex("a2 " + pairs_without(0))) == "a: missing, expected int");
      for (const std::size_t i : order)
        CHECK_THAT(refusal<Ordered>(hex("a4 " + pairs + pair(i))), EndsWith(": given twice"));
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("lengths may be unknown, strings may come in chunks, and heads may be longer than needed") {
  CHECK(decode<std::vector<int>>(hex("9f 01 1a00000002 1b0000000000000003 ff")) == std::vector<int>{1, 2, 3});
  CHECK(decode<std::string>(hex("7f 61 61 60 62 6263 ff")) == "abc");
  CHECK(decode<Bytes>(hex("5f 41 01 42 0203 ff")) == Bytes{1, 2, 3});
  CHECK(decode<Colour>(hex("7f 62 6772 63 65656e ff")) == Colour::green);
  const auto m = decode<Message>(hex("bf 7f 64 6d657373 63 616765 ff 62 6869 68 64656c61795f6d73 20 ff"));
  CHECK(m == Message{"hi", -1});
}

TEST_CASE("tags are passed over") {
  CHECK(decode<std::string>(hex("c0 61 61")) == "a");
  CHECK(decode<int>(hex("d9d9f7 ca 05")) == 5);  // self-described CBOR, and a tag of libcbor's blind spot
  CHECK(decode<std::optional<int>>(hex("c1 f6")) == std::nullopt);
  CHECK(decode<std::vector<int>>(hex("c1 82 c1 01 c2 02")) == std::vector<int>{1, 2});
}

TEST_CASE("a variant takes the first alternative that fits the item") {
  using V = std::variant<bool, std::uint8_t, double, std::string, Message, Point>;
  CHECK(decode<V>(hex("f5")).index() == 0);
  CHECK(decode<V>(hex("05")).index() == 1);
  CHECK(decode<V>(hex("190100")).index() == 2);  // 256 is too large for the first
  CHECK(decode<V>(hex("6161")).index() == 3);
  CHECK(decode<V>(encode(Message{"m", 1})).index() == 4);
  CHECK(decode<V>(encode(Point{1, 2})).index() == 5);
}

TEST_CASE("a map keeps a key whose value is null") {
  const auto map = decode<std::map<std::string, std::optional<int>>>(hex("a1 61 6e f6"));
  CHECK(map.at("n") == std::nullopt);
}

TEST_CASE("Cbor keeps an item as it came, tags and all") {
  const Bytes item = hex("c1 a1 01 9f 02 ff");
  const Cbor kept = Cbor::parse(item);
  CHECK(kept.view().size() == item.size());
  CHECK(to_hex(encode(decode<Cbor>(item))) == to_hex(item));
  CHECK(to_hex(encode(Cbor())) == "f6");
  const auto list = decode<std::vector<Cbor>>(hex("82 01 c1 02"));
  CHECK(to_hex(list.at(1).view()) == "c102");
}

TEST_CASE("values larger than the encoder's own memory come out whole") {
  const std::vector<std::string> many(5000, std::string(100, 'x'));
  CHECK(decode<std::vector<std::string>>(encode(many)) == many);
  const std::string large(1 << 20, 'y');
  CHECK(decode<std::string>(encode(large)) == large);
  // Wherever the last byte of that memory falls: in a head, in text, or between them.
  for (std::size_t size = 480; size < 530; ++size) {
    const std::vector<std::string> two = {std::string(size, 'x'), "then"};
    const Bytes bytes = encode(two);
    REQUIRE(bytes.size() == 1 + 3 + size + 5);
    REQUIRE(decode<std::vector<std::string>>(bytes) == two);
  }
}
