// SPDX-License-Identifier: Apache-2.0
//
// Input that wants to hurt: it must end in an error, soon, and with little memory.
#include <random>

#include "sample.hpp"

using namespace sample;

namespace {

/// True if the bytes are taken; false if refused. Anything but a DecodeError fails the test.
template <class T>
bool taken(const Bytes& bytes) {
  return refusal<T>(bytes).empty();
}

Bytes mutated(Bytes bytes, std::mt19937& random) {
  const auto pick = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  for (std::size_t edits = 1 + pick(4); edits != 0 && !bytes.empty(); --edits) {
    const std::size_t at = pick(bytes.size());
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (pick(5)) {
      case 0:
        bytes[at] = static_cast<std::uint8_t>(pick(256));
        break;
      case 1:
        bytes[at] ^= static_cast<std::uint8_t>(1U << pick(8));
        break;
      case 2:
        bytes.insert(place, static_cast<std::uint8_t>(pick(256)));
        break;
      case 3:
        bytes.erase(place);
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("a length that promises more than is there is refused before memory is had for it") {
  CHECK_FALSE(taken<std::vector<Everything>>(hex("9b 00ffffffffffffff")));
  CHECK_FALSE(taken<std::vector<int>>(hex("9bffffffffffffffff")));
  CHECK_FALSE((taken<std::map<std::string, int>>(hex("bb 8000000000000000"))));
  CHECK_FALSE(taken<std::string>(hex("7b 00000000ffffffff 61")));
  CHECK_FALSE(taken<Bytes>(hex("5b ffffffffffffffff 61")));
  CHECK_FALSE(taken<Cbor>(hex("9a ffffffff 01")));
}

TEST_CASE("nesting is bounded") {
  CHECK(taken<Cbor>(Bytes(64, 0x81)) == false);  // ends in the middle
  Bytes deep(60, 0x81);
  deep.push_back(0x01);
  CHECK(taken<Cbor>(deep));
  Bytes deeper(100'000, 0x81);
  deeper.push_back(0x01);
  CHECK(refusal<Cbor>(deeper).find("nested deeper than 64 levels") != std::string::npos);
  Bytes unknown(100'000, 0x9f);
  CHECK(refusal<Cbor>(unknown).find("nested deeper than 64 levels") != std::string::npos);
  Bytes tags(100'000, 0xc1);
  tags.push_back(0x01);
  CHECK(refusal<int>(tags) == "found more than 64 tags on one item");
  CHECK_FALSE(taken<Cbor>(tags));
}

TEST_CASE("text is UTF-8 or refused: in values, in keys, in chunks") {
  for (const char* bad : {"61 80", "62 c0af", "63 eda080", "64 f4908080", "62 c328", "61 f8"}) {
    INFO(bad);
    CHECK_FALSE(taken<std::string>(hex(bad)));
    CHECK_FALSE(taken<Cbor>(hex(bad)));
    CHECK_FALSE((taken<std::map<std::string, int>>(hex(std::string("a1 ") + bad + " 01"))));
  }
  CHECK_FALSE(taken<std::string>(hex("7f 61 c3 61 bc ff")));  // each chunk must be whole
}

TEST_CASE("every prefix of a message is refused, and so is every byte after it") {
  const Bytes whole = backplane::encode(full());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    INFO(n);
    CHECK_FALSE(taken<Everything>(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))));
  }
  Bytes longer = whole;
  longer.push_back(0);
  CHECK_FALSE(taken<Everything>(longer));
}

TEST_CASE("random damage is either refused or read, and what is read can be written and read again") {
  const auto seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const Bytes whole = backplane::encode(full());
  std::size_t read = 0;
  for (int i = 0; i < 30'000; ++i) {
    const Bytes bytes = mutated(whole, random);
    if (!taken<Everything>(bytes)) continue;
    ++read;
    const Bytes again = backplane::encode(backplane::decode<Everything>(bytes));
    // Writing drops tags and long forms, so only from the second time on is it the same.
    REQUIRE(backplane::encode(backplane::decode<Everything>(again)) == again);
  }
  CHECK(read > 100);
  CHECK(read < 30'000);
}

TEST_CASE("noise is never read as a message") {
  const auto seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 30'000; ++i) {
    Bytes noise(random() % 64);
    for (auto& b : noise) b = static_cast<std::uint8_t>(random());
    INFO(to_hex(noise));
    REQUIRE_FALSE(taken<Everything>(noise));
    if (!taken<Cbor>(noise)) continue;
    const Cbor item = Cbor::parse(noise);
    REQUIRE(to_hex(item.view()) == to_hex(noise));
  }
}
