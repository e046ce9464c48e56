// SPDX-License-Identifier: Apache-2.0
//
// The configuration of a module, and the CDDL that the SDK writes.
#include <catch2/catch.hpp>

#include <array>
#include <backplane/sdk.hpp>
#include <map>
#include <optional>
#include <variant>

#include "cddl/config_check.hpp"
#include "sample.hpp"

using namespace sample;
using backplane::host::cddl::check_config;
using backplane::host::cddl::parse;

namespace kinds {
enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Limit {
  std::string name;
  std::int16_t most = 3;
};
BOOST_DESCRIBE_STRUCT(Limit, (), (name, most))

struct All {
  bool flag = false;
  std::uint8_t small = 0;
  std::int64_t large = 0;
  double ratio = 0;
  std::string text;
  backplane::Bytes bytes;
  Colour colour = Colour::red;
  std::optional<Limit> limit;
  std::vector<Limit> limits;
  std::map<std::string, Limit> by_name;
  std::variant<Limit, std::string> either;
  std::vector<std::optional<std::uint32_t>> holes;
  backplane::Cbor any;
  Limit inner;
  std::int32_t größe = 0;
};
BOOST_DESCRIBE_STRUCT(All, (),
                      (flag, small, large, ratio, text, bytes, colour, limit, limits, by_name, either, holes, any,
                       inner, größe))
}  // namespace kinds

namespace {

template <class T>
std::string config_cddl() {
  struct Text {
    static constexpr void write(backplane::detail::TextSink& out) {
      backplane::detail::TypeText text("m");
      text.write(
          out, [](backplane::detail::TypeText&) {},
          [](backplane::detail::TypeText& each) { backplane::Configuration<T>::template rules<void>(each); });
    }
  };
  constexpr auto text = backplane::detail::text_constant<Text>();
  return std::string(text.begin(), text.end());
}

std::string checked(std::string_view rules, const Bytes& config) {
  const auto verdict = check_config(parse(rules), "m", config);
  if (!verdict.unchecked.empty()) return verdict.unchecked;
  return verdict.findings.empty() ? "" : verdict.findings.front().message();
}

// Whether the SDK reads `config` as T.
template <class T>
bool sdk_takes(const Bytes& config) {
  try {
    backplane::detail::Decoder decoder(config, true);
    T value;
    backplane::Codec<T>::decode(decoder, value);
    decoder.finish();
    return true;
  } catch (const backplane::DecodeError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("a module without the rule, and a missing configuration, are judged as they are") {
  CHECK(checked("m.get.request = any", hex("a1 61 78 01")).empty());
  CHECK(checked("m.config = {? x: uint}", {}).empty());
  CHECK(checked("m.config = {x: uint}", {}) ==
        "\"x\" is missing, expected uint (m.config in the module's CDDL, line 1)");
  CHECK(checked("m.config = m.config", {}) ==
        "its configuration is not checked against its CDDL: its rules refer to each other without an end");
}

TEST_CASE("what the SDK writes of a configuration takes what the SDK reads") {
  const std::string rules = config_cddl<kinds::All>();
  INFO(rules);
  CHECK(checked(rules, backplane::encode(kinds::All{.limit = kinds::Limit{}, .limits = {{}}, .by_name = {{"a", {}}}}))
            .empty());
  CHECK(checked(rules, hex("a0")).empty());
}

TEST_CASE("the SDK and its CDDL agree on what is a configuration") {
  const std::string rules = config_cddl<kinds::All>();
  struct Try {
    const char* item;
    bool good;
  };
  const std::array<Try, 29> tries = {{
      {"a0", true},
      {"a1 64 66 6c 61 67 f5", true},                              // flag: true
      {"a1 64 66 6c 61 67 01", false},                             // flag: 1
      {"a1 65 73 6d 61 6c 6c 18 ff", true},                        // small: 255
      {"a1 65 73 6d 61 6c 6c 19 01 00", false},                    // small: 256
      {"a1 65 73 6d 61 6c 6c 20", false},                          // small: -1
      {"a1 65 72 61 74 69 6f f9 3e 00", true},                     // ratio: 1.5 in two bytes
      {"a1 65 72 61 74 69 6f 02", true},                           // ratio: 2
      {"a1 65 72 61 74 69 6f 61 78", false},                       // ratio: "x"
      {"a1 64 74 65 78 74 7f 61 61 61 62 ff", true},               // text in chunks
      {"a1 64 74 65 78 74 d8 20 61 61", true},                     // text with a tag
      {"a1 7f 62 74 65 62 78 74 ff 61 61", true},                  // a key in chunks
      {"a1 65 62 79 74 65 73 61 61", false},                       // bytes: "a"
      {"a1 66 63 6f 6c 6f 75 72 65 67 72 65 65 6e", true},         // colour: "green"
      {"a1 66 63 6f 6c 6f 75 72 64 62 6c 75 65", false},           // colour: "blue"
      {"a1 65 6c 69 6d 69 74 f6", true},                           // limit: null
      {"a1 65 6c 69 6d 69 74 f7", true},                           // limit: undefined
      {"a1 65 6c 69 6d 69 74 a1 64 6d 6f 73 74 05", true},         // limit: {most: 5}
      {"a1 66 6c 69 6d 69 74 73 81 a1 64 6d 6f 73 74 05", true},   // limits: [{most: 5}]
      {"a1 66 6c 69 6d 69 74 73 81 a1 64 6c 65 61 73 05", false},  // limits: [{leas: 5}]
      {"a1 67 62 79 5f 6e 61 6d 65 a1 61 61 a0", true},            // by_name: {a: {}}
      {"a1 66 65 69 74 68 65 72 a0", true},                        // either: {}
      {"a1 66 65 69 74 68 65 72 61 78", true},                     // either: "x"
      {"a1 66 65 69 74 68 65 72 01", false},                       // either: 1
      {"a1 65 68 6f 6c 65 73 83 01 f6 02", true},                  // holes: [1, null, 2]
      {"a1 63 61 6e 79 d9 d9 f7 81 f7", true},                     // any: a tagged array
      {"a1 65 69 6e 6e 65 72 a0", true},                           // inner: {}
      {"a1 67 67 72 c3 b6 c3 9f 65 05", true},                     // größe: 5
      {"a2 64 66 6c 61 67 f5 64 66 6c 61 67 f5", false},           // flag twice
  }};
  for (const Try& each : tries) {
    INFO(each.item);
    CHECK(sdk_takes<kinds::All>(hex(each.item)) == each.good);
    CHECK(checked(rules, hex(each.item)).empty() == each.good);
  }
}
