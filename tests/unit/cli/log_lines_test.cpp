// SPDX-License-Identifier: Apache-2.0
//
// The log of `backplane try`, with each line once.
#include <catch2/catch.hpp>

#include "cli/log_lines.hpp"

using namespace backplane::host::cli;

TEST_CASE("a line of the log that comes again for another generation is there once, with how often") {
  CHECK(without_repeats("2026-11-29T18:51:43.654+01:00 warn kv (generation 1): it exports 2 symbols\n"
                        "2026-11-29T18:51:43.655+01:00 info modules: kv (generation 1) is gone\n"
                        "2026-11-29T18:51:44.000+01:00 warn kv (generation 2): it exports 2 symbols\n"
                        "2026-11-29T18:51:45.000-11:30 warn kv (generation 13): it exports 2 symbols\n") ==
        "2026-11-29T18:51:43.654+01:00 warn kv (generation 1): it exports 2 symbols (3 times)\n"
        "2026-11-29T18:51:43.655+01:00 info modules: kv (generation 1) is gone\n");
}

TEST_CASE("lines that differ in a level, a source or a word, and lines of others, all stay") {
  const std::string text =
      "2026-11-29T18:51:43.654+01:00 warn kv (generation 1): full\n"
      "2026-11-29T18:51:43.654+01:00 error kv (generation 1): full\n"
      "2026-11-29T18:51:43.654+01:00 warn kvs (generation 1): full\n"
      "2026-11-29T18:51:43.654+01:00 warn kv (generation 1): full 2\n"
      "mine\n\nmine\n\n"
      "2026-11-29 18:51 warn kv: full\n2026-11-29 18:51 warn kv: full\n";
  CHECK(without_repeats(text) == text);
  CHECK(without_repeats("") == "");
  CHECK(without_repeats("no end") == "no end\n");
}
