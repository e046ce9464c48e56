// SPDX-License-Identifier: Apache-2.0
//
// Random items, seeded; the seed is printed on failure.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "cli/json/json.hpp"

using backplane::cbor::Bytes;
using backplane::cbor::Writer;
using backplane::host::cbor_to_json;
using backplane::host::json_to_cbor;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  std::uint64_t integer() { return engine_() >> below(64); }  // all sizes of heads

  std::string text() {
    static const char* const parts[] = {"a",    "Z", "0",        "$", "\"", "\\", "\n", "\x01",
                                        "\x7f", "é", "\xc2\x85", "€", "😀",  "{",  " "};
    std::string out;
    for (std::uint64_t n = below(6); n > 0; --n) out += parts[below(std::size(parts))];
    return out;
  }

  double real() {
    const std::uint64_t bits = below(4) == 0 ? std::uint64_t{below(64)} << 58 : engine_();
    double v;
    std::memcpy(&v, &bits, sizeof v);
    return std::isnan(v) ? std::nan("") : v;  // the payload of a NaN is not kept
  }

  void item(Bytes& out, std::size_t depth) {
    Writer w(out);
    switch (below(depth == 0 ? 8 : 11)) {
      case 0:
        return w.uint(integer());
      case 1:
        return w.negint(integer());
      case 2:
        return bytes(w);
      case 3:
        return w.text(text());
      case 4:
        return w.boolean(below(2) == 0);
      case 5:
        return w.null();
      case 6:
        return w.undefined();
      case 7:
        return w.real(real());
      case 8: {
        const std::size_t n = below(5);
        w.array(n);
        for (std::size_t i = 0; i < n; ++i) item(out, depth - 1);
        return;
      }
      case 9:
        return map(out, depth);
      default:
        w.tag(integer());
        return item(out, depth - 1);
    }
  }

 private:
  void bytes(Writer& w) {
    Bytes b(below(9));
    for (auto& byte : b) byte = static_cast<std::uint8_t>(below(256));
    w.bytes(b);
  }
  // Mostly text keys; now and then one that begins with "$", is repeated, or is no text.
  void map(Bytes& out, std::size_t depth) {
    const std::size_t n = below(4);
    Writer(out).map(n);
    const bool any = below(3) == 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (any) {
        item(out, depth - 1);
      } else {
        Writer(out).text(text().insert(0, below(4) == 0 ? 1 : 0, '$'));
      }
      item(out, depth - 1);
    }
  }

  std::mt19937_64 engine_;
};

}  // namespace

TEST_CASE("any CBOR item comes back from JSON byte for byte") {
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Bytes item;
    Random(seed).item(item, 5);
    const std::string json =
        cbor_to_json(item, seed % 2 == 0 ? backplane::host::JsonStyle::compact : backplane::host::JsonStyle::indented);
    INFO("seed " << seed << ": " << json);
    REQUIRE(json_to_cbor(json) == item);
  }
}

TEST_CASE("any bytes either give JSON that leads back to the same JSON, or are refused") {
  std::size_t accepted = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Random random(seed);
    Bytes bytes;
    random.item(bytes, 4);
    for (std::uint64_t n = random.below(3); n > 0; --n)
      bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    std::string json;
    try {
      json = cbor_to_json(bytes);
    } catch (const backplane::cbor::Error&) {
      continue;
    }
    ++accepted;
    INFO("seed " << seed << ": " << json);
    REQUIRE(cbor_to_json(json_to_cbor(json)) == json);
  }
  CHECK(accepted > 5000);
}

TEST_CASE("any damage to JSON text is refused in order or read") {
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Random random(seed);
    Bytes item;
    random.item(item, 4);
    std::string json = cbor_to_json(item);
    json[random.below(json.size())] = static_cast<char>(random.below(256));
    INFO("seed " << seed << ": " << json);
    Bytes read;
    try {
      read = json_to_cbor(json);
    } catch (const backplane::host::JsonError& error) {
      REQUIRE(error.line >= 1);
      REQUIRE(error.column >= 1);
      continue;
    }
    REQUIRE(json_to_cbor(cbor_to_json(read)) == read);
  }
}
