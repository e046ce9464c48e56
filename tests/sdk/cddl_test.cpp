// SPDX-License-Identifier: Apache-2.0
//
// The CDDL that follows from the types, at compile time.
#include <backplane/sdk.hpp>

#include "sample.hpp"

using namespace sample;

namespace {

using backplane::detail::TextSink;
using backplane::detail::TypeText;

/// The text of a module whose configuration or answer is a T.
template <class T, bool settings = false>
std::string text() {
  struct Text {
    static constexpr void write(TextSink& out) {
      TypeText types("m");
      types.write(
          out, [](TypeText&) {},
          [](TypeText& rules) {
            rules.set_settings(settings);
            rules.rule<T>("m.a", ".reply");
          });
    }
  };
  constexpr auto made = backplane::detail::text_constant<Text>();
  return std::string(made.begin(), made.end());
}

/// The type in the rule of the answer, and the rules before it.
template <class T>
std::string type() {
  const std::string all = text<T>();
  const std::size_t last = all.find("m.a.reply = ");
  REQUIRE(last != std::string::npos);
  return all.substr(last + 12, all.size() - last - 13);
}
template <class T>
std::string rules() {
  const std::string all = text<T>();
  return all.substr(0, all.find("m.a.reply = "));
}

struct Tree {
  std::int64_t value = 0;
  std::vector<Tree> children;
  std::map<std::string, Tree> named;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (value, children, named))

template <class T>
struct Page {
  std::vector<T> items;
};
BOOST_DESCRIBE_STRUCT(Page<Message>, (), (items))
using MessagePage = Page<Message>;
BACKPLANE_TYPE_NAME(MessagePage, "MessagePage")

struct Documented {
  std::string name;
  int times = 3;
  std::optional<bool> loud = true;
  double factor = 0.25;
  std::string prefix = "say \"";
  Colour colour = Colour::green;
};
BOOST_DESCRIBE_STRUCT(Documented, (), (name, times, loud, factor, prefix, colour))
BACKPLANE_DOCS(Documented, "what to say", (name, "of whom"), (loud, "in\ncapitals"))
BACKPLANE_DEFAULTS(Documented, times, factor, prefix, colour)

struct Limits {
  std::uint8_t most = 5;
};
BOOST_DESCRIBE_STRUCT(Limits, (), (most))
struct Settings {
  std::vector<Limits> each;
  Limits all;
};
BOOST_DESCRIBE_STRUCT(Settings, (), (each, all))

struct KvMostConstant {};
BOOST_DESCRIBE_STRUCT(KvMostConstant, (), ())

enum class Level { low, high_ };
BOOST_DESCRIBE_ENUM(Level, low, high_)
BACKPLANE_DOCS(Level, "how loud", (low, "a whisper"), (high_, "a cry"))

}  // namespace

TEST_CASE("scalars are named rules, once each and only if used") {
  CHECK(text<std::int8_t>() == "int8 = -128..127\n\nm.a.reply = int8\n");
  CHECK(rules<std::uint8_t>() == "uint8 = 0..255\n\n");
  CHECK(rules<std::int16_t>() == "int16 = -32768..32767\n\n");
  CHECK(rules<std::uint16_t>() == "uint16 = 0..65535\n\n");
  CHECK(rules<std::int32_t>() == "int32 = -2147483648..2147483647\n\n");
  CHECK(rules<std::uint32_t>() == "uint32 = 0..4294967295\n\n");
  CHECK(rules<std::int64_t>() == "int64 = -9223372036854775808..9223372036854775807\n\n");
  CHECK(rules<std::uint64_t>() == "uint64 = 0..18446744073709551615\n\n");
  CHECK(rules<float>() == "single = float / int ; 32 bits\n\n");
  CHECK(rules<double>() == "double = float / int ; 64 bits\n\n");
  CHECK(type<long long>() == "int64");
  CHECK(rules<std::vector<std::variant<long, std::string>>>() == rules<long long>());
}

TEST_CASE("types without a rule stand where they are used") {
  CHECK(text<bool>() == "m.a.reply = bool\n");
  CHECK(text<std::string>() == "m.a.reply = tstr\n");
  CHECK(text<Bytes>() == "m.a.reply = bstr\n");
  CHECK(text<Cbor>() == "m.a.reply = any\n");
  CHECK(text<std::monostate>() == "m.a.reply = null\n");
  CHECK(type<std::vector<Message>>() == "[* Message]");
  CHECK(type<std::optional<std::string>>() == "tstr / null");
  CHECK(type<std::optional<Cbor>>() == "any");
  CHECK(type<std::map<std::string, std::optional<bool>>>() == "{ * tstr => (bool / null) }");
  CHECK(type<std::variant<std::string, Empty>>() == "tstr / Empty");
  CHECK(type<std::vector<std::optional<int>>>() == "[* (int32 / null)]");
}

TEST_CASE("arrays and maps inside of others have rules, named after what they hold") {
  CHECK(text<std::vector<std::vector<std::string>>>() == "TextList = [* tstr]\n\nm.a.reply = [* TextList]\n");
  CHECK(text<std::map<std::string, std::map<std::string, Cbor>>>() ==
        "AnyMap = { * tstr => any }\n\nm.a.reply = { * tstr => AnyMap }\n");
  CHECK(text<std::optional<std::vector<bool>>>() == "BoolList = [* bool]\n\nm.a.reply = BoolList / null\n");
  CHECK(type<std::vector<std::vector<std::optional<std::string>>>>() == "[* OptionalTextList]");
  CHECK(type<std::vector<std::vector<std::variant<std::string, bool>>>>() == "[* TextOrBoolList]");
  CHECK(type<std::vector<std::unordered_map<std::string, Bytes>>>() == "[* BytesMap]");
}

TEST_CASE("the widths of keys and durations are in the names of their rules") {
  CHECK(type<std::map<std::int64_t, bool>>() == "{ * int => bool }");
  CHECK(type<std::unordered_map<unsigned long, bool>>() == "{ * uint => bool }");
  CHECK(text<std::map<std::uint8_t, bool>>() == "BoolByUint8 = { * uint => bool }\n\nm.a.reply = BoolByUint8\n");
  CHECK(type<std::vector<std::map<int, std::string>>>() == "[* TextByInt32]");
  CHECK(type<std::chrono::milliseconds>() == "milliseconds");
  CHECK(rules<std::chrono::duration<std::int32_t>>().find("seconds_int32 = int32 ; a time in this unit\n") !=
        std::string::npos);
}

TEST_CASE("a status and a rule of a name are written once, and constants count as names") {
  struct Text {
    static constexpr backplane::detail::Fault write(TextSink& out) {
      TypeText types("kv");
      return types.write(
          out, [](TypeText& constants) { constants.begin_constant("most"), constants.end({}); },
          [](TypeText& rules) {
            for (int i = 0; i < 2; ++i) {
              rules.rule<bool>("kv.a", ".reply");
              for (const std::uint64_t status : {1001, 1002, 1001}) {
                if (rules.begin_status("kv.a", status)) rules.end({});
              }
            }
            rules.rule<KvMostConstant>("kv.b", ".reply");
          });
    }
  };
  constexpr auto made = backplane::detail::text_constant<Text>();
  CHECK(std::string(made.begin(), made.end()) ==
        "KvMostConstant = {}\n\nkv.most.constant = \n\nkv.a.reply = bool\nkv.a.error.1001 = \nkv.a.error.1002 = \n"
        "kv.b.reply = KvMostConstant\n");
  TextSink nowhere;
  CHECK(Text::write(nowhere).kind == backplane::detail::Fault::like_a_wire_name);
}

TEST_CASE("a struct is one rule, and may contain itself") {
  CHECK(rules<Tree>() ==
        "int64 = -9223372036854775808..9223372036854775807\n\n"
        "Tree = { value: int64, children: [* Tree], named: { * tstr => Tree } }\n\n");
  CHECK(text<MessagePage>().find("MessagePage = { items: [* Message] }\n\nMessage = {") != std::string::npos);
  CHECK(rules<Colour>() == "Colour = \"red\" / \"green\" / \"delete\"\n\n");
  CHECK(rules<Empty>() == "Empty = {}\n\n");
  CHECK(rules<Everything>().find("\n  i8: int8,\n  u8: uint8,\n") != std::string::npos);
  CHECK(rules<Everything>().find("\n  any: any,\n  class: int32\n}\n") != std::string::npos);
}

TEST_CASE("docs stand at the end of the line, and defaults at the member") {
  CHECK(rules<Documented>() ==
        "int32 = -2147483648..2147483647\n"
        "double = float / int ; 64 bits\n\n"
        "Documented = {\n"
        "  name: tstr, ; of whom\n"
        "  ? times: int32 .default 3,\n"
        "  ? loud: bool .default true / null, ; in capitals\n"
        "  ? factor: double .default 0.25,\n"
        "  ? prefix: tstr .default \"say \\\"\",\n"
        "  ? colour: Colour .default \"green\"\n"
        "} ; what to say\n\n"
        "Colour = \"red\" / \"green\" / \"delete\"\n\n");
  CHECK(rules<Level>() == "Level = \"low\" / \"high\" ; how loud; low: a whisper; high: a cry\n\n");
}

TEST_CASE("in a configuration, members of all structs may be absent") {
  CHECK(text<Settings, true>() ==
        "uint8 = 0..255\n\n"
        "Settings = { ? each: [* Limits], ? all: Limits }\n\n"
        "Limits = { ? most: uint8 .default 5 }\n\n"
        "m.a.reply = Settings\n");
  struct Both {
    static constexpr void write(TextSink& out) {
      TypeText types("m");
      types.write(
          out, [](TypeText&) {},
          [](TypeText& both) {
            both.set_settings(true);
            both.rule<Settings>("m", ".config");
            both.set_settings(false);
            both.rule<Limits>("m.a", ".reply");
          });
    }
  };
  constexpr auto made = backplane::detail::text_constant<Both>();
  CHECK(std::string(made.begin(), made.end()) ==
        "uint8 = 0..255\n\n"
        "Settings = { ? each: [* LimitsSettings], ? all: LimitsSettings }\n\n"
        "LimitsSettings = { ? most: uint8 .default 5 }\n\n"
        "Limits = { most: uint8 }\n\n"
        "m.config = Settings\n"
        "m.a.reply = Limits\n");
}

TEST_CASE("members with a default may be absent from requests, too, and keep it") {
  const auto read = backplane::decode<Documented>(hex("a1 646e616d65 6161"));
  CHECK(read.times == 3);
  CHECK(read.loud == true);
  CHECK(read.prefix == "say \"");
  CHECK(refusal<Documented>(hex("a0")) == "name: missing, expected text");
}

TEST_CASE("wire names and module names follow their rules") {
  using backplane::detail::valid_module_name;
  using backplane::detail::valid_wire_name;
  static_assert(valid_wire_name("a.b") && valid_wire_name("kv.get.all_2"));
  static_assert(!valid_wire_name("") && !valid_wire_name("a") && !valid_wire_name("a.") && !valid_wire_name(".a"));
  static_assert(!valid_wire_name("1a.b") && valid_wire_name("_a.1b") && !valid_module_name("1a"));
  static_assert(!valid_wire_name("a..b") && !valid_wire_name("A.b") && !valid_wire_name("a.b-c"));
  CHECK(valid_wire_name("m." + std::string(126, 'x')));
  CHECK_FALSE(valid_wire_name("m." + std::string(127, 'x')));
  CHECK(valid_module_name(std::string(64, 'x')));
  CHECK_FALSE(valid_module_name(std::string(65, 'x')));
  CHECK_FALSE(valid_module_name("a.b"));
}
