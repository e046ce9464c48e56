// SPDX-License-Identifier: Apache-2.0
//
// The CDDL that follows from the types, at compile time.
#include <backplane/sdk.hpp>

#include "sample.hpp"

using namespace sample;

namespace {

template <class T>
std::string cddl() {
  struct Text {
    static constexpr void write(backplane::detail::TextSink& out) { backplane::Codec<T>::cddl(out); }
  };
  constexpr auto text = backplane::detail::text_constant<Text>();
  return std::string(text.begin(), text.end());
}

}  // namespace

TEST_CASE("each C++ type has its CDDL") {
  CHECK(cddl<bool>() == "bool");
  CHECK(cddl<std::int8_t>() == "-128..127");
  CHECK(cddl<std::uint8_t>() == "0..255");
  CHECK(cddl<std::int16_t>() == "-32768..32767");
  CHECK(cddl<std::uint16_t>() == "0..65535");
  CHECK(cddl<std::int32_t>() == "-2147483648..2147483647");
  CHECK(cddl<std::uint32_t>() == "0..4294967295");
  CHECK(cddl<std::int64_t>() == "int");
  CHECK(cddl<std::uint64_t>() == "uint");
  CHECK(cddl<float>() == "number");
  CHECK(cddl<std::string>() == "tstr");
  CHECK(cddl<Bytes>() == "bstr");
  CHECK(cddl<Cbor>() == "any");
  CHECK(cddl<std::monostate>() == "null");
}

TEST_CASE("composed types are composed CDDL") {
  CHECK(cddl<std::vector<Message>>() == "[* { message: tstr, delay_ms: int }]");
  CHECK(cddl<std::map<std::string, std::optional<bool>>>() == "{* tstr => bool / null}");
  CHECK(cddl<std::variant<std::string, Empty>>() == "tstr / {}");
  CHECK(cddl<Colour>() == R"("red" / "green" / "delete")");
  CHECK(cddl<Everything>().find("? note: tstr / null, holes: [*") != std::string::npos);
  CHECK(cddl<Everything>().substr(0, 30) == "{ flag: bool, i8: -128..127, u");
  CHECK(cddl<Everything>().find("any: any, class: -2147483648..2147483647 }") != std::string::npos);
}

TEST_CASE("in a configuration, members of all structs may be absent") {
  struct Text {
    static constexpr void write(backplane::detail::TextSink& out) {
      using Limits = std::vector<std::optional<std::variant<Message, std::map<std::string, Message>>>>;
      backplane::detail::write_cddl<Limits>(out, true);
    }
  };
  constexpr auto text = backplane::detail::text_constant<Text>();
  CHECK(std::string(text.begin(), text.end()) ==
        "[* { ? message: tstr, ? delay_ms: int } / {* tstr => { ? message: tstr, ? delay_ms: int }} / null]");
}

TEST_CASE("wire names and module names follow their rules") {
  using backplane::detail::valid_module_name;
  using backplane::detail::valid_wire_name;
  static_assert(valid_wire_name("a.b") && valid_wire_name("kv.get.all_2"));
  static_assert(!valid_wire_name("") && !valid_wire_name("a") && !valid_wire_name("a.") && !valid_wire_name(".a"));
  static_assert(!valid_wire_name("a..b") && !valid_wire_name("A.b") && !valid_wire_name("a.b-c"));
  CHECK(valid_wire_name("m." + std::string(126, 'x')));
  CHECK_FALSE(valid_wire_name("m." + std::string(127, 'x')));
  CHECK(valid_module_name(std::string(64, 'x')));
  CHECK_FALSE(valid_module_name(std::string(65, 'x')));
  CHECK_FALSE(valid_module_name("a.b"));
}
