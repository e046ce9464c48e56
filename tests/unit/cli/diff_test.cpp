// SPDX-License-Identifier: Apache-2.0
//
// How `backplane save` shows what changes in a file.
#include <catch2/catch.hpp>

#include "cli/text_diff.hpp"

using namespace backplane::host::cli;

namespace {

std::string diff(const std::string& before, const std::string& after) {
  return unified_diff("a.toml", before, "b.toml", after);
}

}  // namespace

TEST_CASE("a change is shown with three lines around it, and with the header of its table") {
  CHECK(diff("x = 1\n\n[modules.kv] # ours\na = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6\ng = 7\nh = 8\n",
             "x = 1\n\n[modules.kv] # ours\na = 1\nb = 2\nc = 3\nd = 4\ne = 50\nf = 6\ng = 7\nh = 8\n") ==
        "--- a.toml\n+++ b.toml\n@@ -5,7 +5,7 @@ [modules.kv] # ours\n b = 2\n c = 3\n d = 4\n-e = 5\n+e = 50\n f = 6\n"
        " g = 7\n h = 8\n");
}

TEST_CASE("what is alike has no difference, and a new file is all new") {
  CHECK(diff("a = 1\n", "a = 1\n").empty());
  CHECK(diff("", "").empty());
  CHECK(unified_diff("/dev/null", "", "b.toml", "a = 1\nb = 2\n") ==
        "--- /dev/null\n+++ b.toml\n@@ -0,0 +1,2 @@\n+a = 1\n+b = 2\n");
  CHECK(diff("a = 1\n", "") == "--- a.toml\n+++ b.toml\n@@ -1,1 +0,0 @@\n-a = 1\n");
}

TEST_CASE("changes whose surroundings meet are one piece, and others are several") {
  const std::string lines = "1\n2\n3\n4\n5\n6\n7\n";
  CHECK(diff("a\n" + lines.substr(0, 12) + "b\n", "A\n" + lines.substr(0, 12) + "B\n") ==
        "--- a.toml\n+++ b.toml\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
  CHECK(diff("a\n" + lines + "b\n", "A\n" + lines + "B\n") ==
        "--- a.toml\n+++ b.toml\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

TEST_CASE("a file without a line break at its end is told, since patch must know it") {
  CHECK(diff("a = 1", "a = 1\nb = 2\n") ==
        "--- a.toml\n+++ b.toml\n@@ -1,1 +1,2 @@\n-a = 1\n\\ No newline at end of file\n+a = 1\n+b = 2\n");
}

TEST_CASE("the lines that change are there without those around them") {
  CHECK(changed_lines("a\nb\nc\n", "a\nB\nc\nd\n") == std::vector<std::string>{"- b", "+ B", "+ d"});
}
