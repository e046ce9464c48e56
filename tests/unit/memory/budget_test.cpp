// SPDX-License-Identifier: Apache-2.0
//
// MemoryBudget, MemoryAccount, and the accounts of threads.
#include "memory/budget.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <utility>
#include <vector>

using namespace backplane::host;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t step = MemoryAccount::step;

}  // namespace

TEST_CASE("a budget gives up to its limit, less two reserves or one by the use") {
  MemoryBudget budget(160 * mib);
  CHECK(MemoryBudget::reserve_of(160 * mib) == 10 * mib);
  CHECK(MemoryBudget::reserve_of(1024 * mib) == 16 * mib);
  CHECK(budget.take(140 * mib, MemoryUse::large));
  CHECK_FALSE(budget.take(1, MemoryUse::large));
  CHECK(budget.take(10 * mib, MemoryUse::small));
  CHECK_FALSE(budget.take(1, MemoryUse::small));
  CHECK(budget.counts().used == 150 * mib);
  budget.give(5 * mib);
  CHECK_FALSE(budget.take(1, MemoryUse::large));
  CHECK(budget.take(1, MemoryUse::small));
  CHECK(budget.counts().peak == 150 * mib);
}

TEST_CASE("sizes that would overflow are refused") {
  MemoryBudget budget(mib);
  CHECK_FALSE(budget.take(UINT64_MAX, MemoryUse::large));
  MemoryAccount account(budget);
  account.open();
  CHECK_FALSE(account.charge(UINT64_MAX, MemoryUse::small));
  CHECK(account.charge(1, MemoryUse::small));
  CHECK_FALSE(account.charge(UINT64_MAX, MemoryUse::small));
  CHECK(budget.counts().refused == 2);
}

TEST_CASE("memory in use already is counted beyond the limit, and keeps others out") {
  MemoryBudget budget(mib);
  budget.take_anyway(2 * mib);
  CHECK(budget.counts().used == 2 * mib);
  CHECK_FALSE(budget.take(1, MemoryUse::small));
  budget.give(2 * mib);
  CHECK(budget.take(1, MemoryUse::small));
}

TEST_CASE("an account takes from its budget in steps, keeps at most two, and gives back the rest") {
  MemoryBudget budget(64 * mib);
  MemoryAccount account(budget);
  account.open();
  CHECK(account.charge(100, MemoryUse::small));
  CHECK(budget.counts().used == step);
  for (int i = 0; i < 600; ++i) CHECK(account.charge(100, MemoryUse::small));
  CHECK(budget.counts().used == step);
  CHECK(account.charge(10 * step, MemoryUse::small));
  CHECK(budget.counts().used > 10 * step);
  account.release(10 * step);
  CHECK(budget.counts().used <= 3 * step);
  account.release(601 * 100);
  CHECK(budget.counts().used <= 2 * step);
  account.close();
  CHECK(budget.counts().used == 0);
}

TEST_CASE("at the limit an account takes exactly what it needs") {
  MemoryBudget budget(mib);
  MemoryAccount account(budget);
  account.open();
  const std::uint64_t most = mib - MemoryBudget::reserve_of(mib);
  CHECK(account.charge(most - 10, MemoryUse::small));
  CHECK(account.charge(10, MemoryUse::small));
  CHECK_FALSE(account.charge(1, MemoryUse::small));
  CHECK(budget.counts().refused == 1);
  account.charge_anyway(5 * mib);
  CHECK(budget.counts().used >= 5 * mib);
}

TEST_CASE("an account that is not open keeps nothing") {
  MemoryBudget budget(64 * mib);
  MemoryAccount account(budget);
  CHECK(account.charge(100, MemoryUse::small));
  CHECK(budget.counts().used == 100);
  account.release(100);
  CHECK(budget.counts().used == 0);
}

TEST_CASE("threads that charge at the same time never exceed the limit, and lose nothing") {
  constexpr std::uint64_t limit = mib;
  MemoryBudget budget(limit);
  std::atomic<std::uint64_t> in_use{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      MemoryAccount account(budget);
      account.open();
      std::uint64_t mine = 0;
      for (std::uint64_t i = 0; i < 200'000; ++i) {
        const std::uint64_t size = (i * 7919 + static_cast<std::uint64_t>(t) * 104'729) % 90'000;
        if (account.charge(size, MemoryUse::small)) {
          mine += size;
          if (in_use.fetch_add(size) + size > limit) exceeded = true;
        } else {
          in_use.fetch_sub(mine);
          account.release(std::exchange(mine, 0));
        }
      }
      in_use.fetch_sub(mine);
      account.release(mine);
      account.close();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(exceeded);
  CHECK(budget.counts().used == 0);
  CHECK(budget.counts().peak <= limit);
  CHECK(budget.counts().refused > 0);
}

TEST_CASE("what a thread has charged another may release, and the account of a thread that ends goes back") {
  const std::uint64_t before = memory_budget.counts().used;
  for (int i = 0; i < 50; ++i) {
    std::thread([] { CHECK(charge_memory(1000)); }).join();
    release_memory(1000);
    std::thread([] {
      CHECK(charge_memory(70'000));
      release_memory(70'000);
    }).join();
  }
  CHECK(memory_budget.counts().used <= before + 2 * step);
}

TEST_CASE("a thread learns whether the limit has refused it memory") {
  forget_memory_refusal();
  const std::uint64_t used = memory_budget.counts().used;
  memory_budget.set_limit(used + 4 * step);
  CHECK(charge_memory(1));
  CHECK_FALSE(memory_was_refused());
  CHECK_FALSE(charge_memory(mib));
  CHECK(memory_was_refused());
  std::thread([] { CHECK_FALSE(memory_was_refused()); }).join();
  forget_memory_refusal();
  CHECK_FALSE(memory_was_refused());
  memory_budget.set_limit(MemoryBudget::unlimited);
  CHECK(charge_memory(mib));
  release_memory(mib + 1);
}

TEST_CASE("the message of a refusal has the limit and its name") {
  memory_budget.set_limit(67'108'864);
  CHECK(std::string_view(MemoryLimitText()) == "memory limit of the host: 67108864 bytes (memory_limit)");
  memory_budget.set_limit(MemoryBudget::unlimited);
  CHECK(std::string_view(MemoryLimitText()) == "memory limit of the host: 18446744073709551615 bytes (memory_limit)");
}
