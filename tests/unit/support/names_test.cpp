// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <string>

#include "support/names.hpp"

using namespace backplane::host;

TEST_CASE("a wire name has two or more parts of lower-case letters, digits and underscores") {
  for (const char* good : {"a.b", "kv.get", "a_1.b_2.c_3", "a.0", "_._"}) {
    CAPTURE(good);
    CHECK(is_wire_name(good));
  }
  for (const char* bad : {"", ".", "a", "0.0", "1a.b", "a.", ".a", "a..b", "a.b.", "A.b", "a.B", "a-b.c", "a b.c",
                          "a.b\n", "\xc3\xa9.a"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_wire_name(bad));
  }
  CHECK_FALSE(is_wire_name(std::string_view("a.b\0c", 5)));
}

TEST_CASE("a wire name of 128 bytes is the longest") {
  const std::string longest = "a." + std::string(126, 'b');
  CHECK(is_wire_name(longest));
  CHECK_FALSE(is_wire_name(longest + "b"));
}

TEST_CASE("a module name has one part of at most 64 bytes") {
  CHECK(is_module_name("kv"));
  CHECK(is_module_name(std::string(64, 'm')));
  CHECK_FALSE(is_module_name(std::string(65, 'm')));
  CHECK_FALSE(is_module_name(""));
  CHECK_FALSE(is_module_name("k.v"));
  CHECK_FALSE(is_module_name("7zip"));
  CHECK(is_module_name("_7zip"));
  CHECK_FALSE(is_module_name("Kv"));
}

TEST_CASE("a name belongs to the module that it begins with, up to the dot") {
  CHECK(is_of_module("kv.get", "kv"));
  CHECK_FALSE(is_of_module("kvs.get", "kv"));
  CHECK_FALSE(is_of_module("kv", "kv"));
  CHECK_FALSE(is_of_module("k.get", "kv"));
}

TEST_CASE("an event pattern is a wire name, or a prefix with a star at its end") {
  for (const char* good : {"*", "kv.*", "kv*", "kv.ch*", "kv.changed"}) {
    CAPTURE(good);
    CHECK(is_event_pattern(good));
  }
  for (const char* bad : {"", "kv", "*.kv", "k*v", "**", "kv. *", "KV.*"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_event_pattern(bad));
  }
  const std::string long_prefix(127, 'a');
  CHECK(is_event_pattern(long_prefix + "*"));
  CHECK_FALSE(is_event_pattern(long_prefix + "a*"));
}
