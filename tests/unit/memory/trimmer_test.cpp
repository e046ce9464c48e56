// SPDX-License-Identifier: Apache-2.0
#include "memory/trimmer.hpp"

#include <catch2/catch.hpp>

using namespace backplane::host;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr Nanos second = 1'000'000'000;
int trims = 0;
int all_trims = 0;

void trim(bool all) noexcept {
  ++trims;
  if (all) ++all_trims;
}

}  // namespace

TEST_CASE("memory is returned once after a burst, and never if nothing was released") {
  trims = all_trims = 0;
  MemoryBudget budget;
  MemoryTrimmer trimmer(budget, trim);
  CHECK_FALSE(trimmer.look(1 * second, true));
  budget.take_anyway(100 * mib);
  CHECK_FALSE(trimmer.look(2 * second, true));
  budget.give(100 * mib);
  CHECK(trimmer.look(3 * second, true));
  CHECK_FALSE(trimmer.look(4 * second, true));
  CHECK(trims == 1);
  CHECK(all_trims == 1);
}

TEST_CASE("a burst between two looks is noticed, and a small one is not worth it") {
  trims = 0;
  MemoryBudget budget;
  MemoryTrimmer trimmer(budget, trim);
  budget.take_anyway(MemoryTrimmer::idle_least);
  budget.give(MemoryTrimmer::idle_least - 1);
  CHECK_FALSE(trimmer.look(second, true));
  budget.give(1);
  CHECK(trimmer.look(second, true));
}

TEST_CASE("while threads are busy, much must have been released, and some time have passed") {
  trims = all_trims = 0;
  MemoryBudget budget;
  MemoryTrimmer trimmer(budget, trim);
  const auto burst = [&](std::uint64_t size) {
    budget.take_anyway(size);
    budget.give(size);
  };
  burst(MemoryTrimmer::busy_least - 1);
  CHECK_FALSE(trimmer.look(second, false));
  burst(MemoryTrimmer::busy_least);
  CHECK(trimmer.look(second, false));
  burst(MemoryTrimmer::busy_least);
  CHECK_FALSE(trimmer.look(second + MemoryTrimmer::busy_interval - 1, false));
  CHECK(trimmer.look(second + MemoryTrimmer::busy_interval, false));
  CHECK(trims == 2);
  CHECK(all_trims == 0);
}
