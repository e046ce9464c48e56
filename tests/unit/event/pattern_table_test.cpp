// SPDX-License-Identifier: Apache-2.0
//
// PatternTable: which patterns match a name, counts, and ids that are used again.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "event/pattern_table.hpp"
#include "support/names.hpp"

using namespace backplane::host;

namespace {

std::set<PatternTable::Id> matches(PatternTable& table, std::string_view name) {
  const auto ids = table.match(name);
  std::set<PatternTable::Id> set(ids.begin(), ids.end());
  CHECK(set.size() == ids.size());
  return set;
}

}  // namespace

TEST_CASE("the patterns that match a name are those that fits_pattern() says, for any set of patterns") {
  const std::vector<std::string> parts = {"a", "ab", "b_1", "abc"};
  std::vector<std::string> names;
  for (const auto& first : parts) {
    for (const auto& second : parts) {
      names.push_back(first + "." + second);
      names.push_back(first + "." + second + ".z");
    }
  }
  std::vector<std::string> patterns = {"*"};
  for (const std::string& name : names) {
    patterns.push_back(name);
    for (std::size_t size = 1; size <= name.size(); size += 2) patterns.push_back(name.substr(0, size) + "*");
  }
  std::sort(patterns.begin(), patterns.end());
  patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
  PatternTable table;
  std::vector<std::pair<std::string, PatternTable::Id>> present;
  std::uint32_t random = 7;
  for (int round = 0; round < 400; ++round) {
    random = random * 1'664'525 + 1'013'904'223;
    if (!present.empty() && random >> 30 == 0) {
      const std::size_t at = (random >> 8) % present.size();
      table.remove(present[at].second);
      present.erase(present.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      const std::string& pattern = patterns[(random >> 8) % patterns.size()];
      present.emplace_back(pattern, table.add(pattern));
    }
    const std::string& name = names[(random >> 4) % names.size()];
    std::set<PatternTable::Id> expected;
    for (const auto& [pattern, id] : present) {
      if (fits_pattern(pattern, name)) expected.insert(id);
    }
    REQUIRE(matches(table, name) == expected);
    REQUIRE(matches(table, name) == expected);  // now from those it knows
  }
}

TEST_CASE("a pattern has one id however many listeners have it, until the last one goes") {
  PatternTable table;
  const auto id = table.add("kv.*");
  CHECK(table.add("kv.*") == id);
  CHECK(table.add("kv.") != id);  // not a valid name, but no prefix either
  table.remove(id);
  CHECK(matches(table, "kv.changed") == std::set{id});
  table.remove(id);
  CHECK(matches(table, "kv.changed").empty());
  CHECK_FALSE(table.empty());
}

TEST_CASE("an id that is used again goes on counting where it was") {
  PatternTable table;
  PatternCounts counts;
  const auto id = table.add("a.b");
  table.count(table.match("a.b"), counts);
  table.count(table.match("a.b"), counts);
  table.remove(id);
  REQUIRE(table.add("c.*") == id);
  CHECK(matches(table, "a.b").empty());
  table.count(table.match("c.d"), counts);
  CHECK(table.matched()[id] == 3);
  table.clear();
  CHECK(table.empty());
  CHECK(table.match("c.d").empty());
  REQUIRE(table.add("e.f") == id);
  CHECK(table.matched()[id] == 3);
}

TEST_CASE("many patterns cost no more each than few") {
  using Clock = std::chrono::steady_clock;
  const auto time_of = [](int count) {
    PatternTable table;
    std::vector<PatternTable::Id> ids;
    const auto begin = Clock::now();
    for (int i = 0; i < count; ++i) {
      ids.push_back(table.add("peer.p" + std::to_string(i) + (i % 2 == 0 ? "" : "*")));
      table.match("peer.p0");
    }
    for (const auto id : ids) table.remove(id);
    return std::chrono::duration<double>(Clock::now() - begin).count() / count;
  };
  time_of(1'000);
  // Copying a list for each would make it 32 times as much.
  CHECK(time_of(64'000) < 8 * time_of(2'000));
}

TEST_CASE("what is counted in parts adds up to the whole, and a part has only what was counted in it") {
  PatternTable table;
  const auto all = table.add("*");
  const auto kv = table.add("kv.*");
  table.add("never.*");
  PatternCounts first;
  PatternCounts second;
  for (int i = 0; i < 5; ++i) CHECK(table.count(table.match("kv.changed"), first));
  for (int i = 0; i < 3; ++i) CHECK(table.count(table.match("timer.tick"), second));
  CHECK(table.count(table.match("kv.changed"), second));
  REQUIRE(first.list().size() == 2);
  REQUIRE(second.list().size() == 2);
  for (const auto& each : first.list()) CHECK(each.events == 5);
  for (const auto& each : second.list()) CHECK(each.events == (each.pattern == all ? 4u : 1u));
  CHECK(table.matched()[all] == 9);
  CHECK(table.matched()[kv] == 6);
  first.clear();
  CHECK(first.list().empty());
  CHECK(table.count(table.match("timer.tick"), first));
  CHECK(first.list().size() == 1);
}

TEST_CASE("a table takes no more patterns than its bound, and one more when one has gone") {
  PatternTable table;
  for (std::size_t i = 0; i < PatternTable::most; ++i) table.add("a.n" + std::to_string(i));
  CHECK_THROWS_AS(table.add("one.more"), PatternTable::Full);
  const auto again = table.add("a.n7");  // no new one
  table.remove(again);
  table.remove(again);
  CHECK_NOTHROW(table.add("one.more"));
}
