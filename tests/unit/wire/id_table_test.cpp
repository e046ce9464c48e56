// SPDX-License-Identifier: Apache-2.0
#include "wire/id_table.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <unordered_map>
#include <vector>

using backplane::host::IdTable;

TEST_CASE("the table of open calls agrees with a plain map under random use") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  IdTable<int> table;
  std::unordered_map<std::uint64_t, int> model;
  for (int round = 0; round < 100'000; ++round) {
    const std::uint64_t id = random() % 512 << (random() % 3 * 20);
    int value = 0;
    switch (random() % 3) {
      case 0: {
        auto* const entry = table.insert(id);
        REQUIRE((entry == nullptr) == (model.count(id) != 0));
        if (entry != nullptr) {
          entry->value = round + 1;
          model[id] = round + 1;
        }
        break;
      }
      case 1: {
        const bool there = table.take(id, value);
        REQUIRE(there == (model.count(id) != 0));
        if (there) REQUIRE(value == model[id]);
        model.erase(id);
        break;
      }
      default: {
        const auto* const entry = table.find(id);
        REQUIRE((entry != nullptr) == (model.count(id) != 0));
        if (entry != nullptr) REQUIRE(entry->value == model[id]);
      }
    }
    REQUIRE(table.size() == model.size());
  }
  std::size_t seen = 0;
  table.for_each([&](const auto& entry) {
    ++seen;
    REQUIRE(model.at(entry.id) == entry.value);
  });
  CHECK(seen == model.size());
}

TEST_CASE("entries keep their address while the table grows, and are used again") {
  IdTable<int> table;
  auto* const first = table.insert(1);
  for (std::uint64_t id = 2; id < 10'000; ++id) table.insert(id);
  CHECK(table.find(1) == first);
  int value = 0;
  CHECK(table.take(1, value));
  CHECK(table.insert(10'001) == first);
}

TEST_CASE("whatever ids a peer chooses, each costs the same") {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t count = 1 << 16;
  const auto time_of = [](std::uint64_t factor, unsigned shift) {
    IdTable<int> table;
    const auto begin = Clock::now();
    for (std::uint64_t k = 1; k < count; ++k) REQUIRE(table.insert(k * factor << shift) != nullptr);
    int value = 0;
    for (std::uint64_t k = 1; k < count; ++k) REQUIRE(table.take(k * factor << shift, value));
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  time_of(1, 0);
  const double usual = time_of(1, 0);
  for (const unsigned shift : {8u, 16u, 32u, 47u, 48u}) {
    CAPTURE(shift);
    CHECK(time_of(1, shift) < 20 * usual);  // in one bucket it would be thousands of times
  }
  CHECK(time_of(0x9E3779B97F4A7C15u, 0) < 20 * usual);
  CHECK(time_of(0xF1DE83E19937733Du, 0) < 20 * usual);  // the inverse of that factor
}
