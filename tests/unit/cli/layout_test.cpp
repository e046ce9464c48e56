// SPDX-License-Identifier: Apache-2.0
//
// Where the statements of a TOML text stand.
#include <catch2/catch.hpp>

#include "cli/toml_layout.hpp"

using namespace backplane::host::cli;

namespace {

// Each statement as its path and its value.
std::vector<std::string> seen(const std::string& text) {
  std::vector<std::string> out;
  for (const TomlStatement& each : toml_layout(text)) {
    std::string path;
    for (const std::string& key : each.path) path += (path.empty() ? "" : "/") + key;
    out.push_back(each.header ? "[" + path + "]" : path + "=" + text.substr(each.value, each.value_end - each.value));
  }
  return out;
}

using Seen = std::vector<std::string>;

}  // namespace

TEST_CASE("headers and keys are found with their values, and comments are none of them") {
  CHECK(seen("# c\na = 1 # d\n\n[t.'x y'] # e\n\"b\".c = \"#\" # f\n[[ l ]]\nd=[1, # ]\n 2]\n") ==
        Seen{"a=1", "[t/x y]", "t/x y/b/c=\"#\"", "[l]", "l/d=[1, # ]\n 2]"});
  CHECK(seen("").empty());
  CHECK(seen("a = 1") == Seen{"a=1"});
}

TEST_CASE("strings of all kinds end where they end") {
  CHECK(seen("a = \"\\\"]\"\nb = '\\'\nc = \"\"\"\n[x]\n\\\"\"\"\"\"\"\nd = '''\ny = 1'''''\ne = { f = \"}\" }\n") ==
        Seen{"a=\"\\\"]\"", "b='\\'", "c=\"\"\"\n[x]\n\\\"\"\"\"\"\"", "d='''\ny = 1'''''", "e={ f = \"}\" }"});
}

TEST_CASE("a date with a space is one value, and any text comes to an end") {
  CHECK(seen("a = 1979-05-27 07:32:00Z # x\nb = 2\n") == Seen{"a=1979-05-27 07:32:00Z", "b=2"});
  for (const char* text : {"[", "a", "a =", "a = [", "a = \"", "a = '''", "[[[", "=", "a.", "\"", "]\n]", "a = \"\\"}) {
    CHECK(toml_layout(text).size() <= 3);
  }
}
