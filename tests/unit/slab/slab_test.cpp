// SPDX-License-Identifier: Apache-2.0
//
// Slab and Record: tokens, claims, locks, owners, and running out of memory or generations.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "slab/slab.hpp"

using namespace backplane::host;

namespace {

struct Item : Record {
  void restore() noexcept {}
  Item* next = nullptr;
  std::atomic<int> claims{0};
};
constexpr unsigned kind = 1;

struct Scarce : Record {
  Scarce* next = nullptr;
};
bool no_memory = false;
using Items = Slab<Item, kind>;

// A slab keeps its records for as long as the process lives, so each stays reachable here.
Items* make_slab() {
  static auto& all = *new std::vector<std::unique_ptr<Items>>;
  return all.emplace_back(std::make_unique<Items>()).get();
}

Item& armed(Items& slab) {
  Item* const item = slab.allocate();
  REQUIRE(item != nullptr);
  item->arm();
  return *item;
}

}  // namespace

// The slab's memory can be made to fail.
void* operator new(std::size_t size, std::align_val_t at, const std::nothrow_t&) noexcept {
  return no_memory ? nullptr : std::aligned_alloc(static_cast<std::size_t>(at), size);
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }

TEST_CASE("several records come at once, each with a token of its own, and no more than were asked for") {
  Items* const slab = make_slab();
  std::set<std::uint64_t> tokens;
  std::set<Item*> items;
  for (int round = 0; round < 3; ++round) {
    std::size_t got = 0;
    for (Item* item = slab->allocate(16); item != nullptr; item = item->next) {
      item->arm();
      CHECK(slab->find(item->token()) == item);
      tokens.insert(item->token());
      items.insert(item);
      ++got;
    }
    CHECK(got == 16);
  }
  CHECK(tokens.size() == 48);
  CHECK(items.size() == 48);
  CHECK(items.count(slab->allocate()) == 0);
  // The rest of the first chunk: fewer than asked for, but at least one.
  std::size_t rest = 0;
  for (Item* item = slab->allocate(10'000); item != nullptr; item = item->next) ++rest;
  CHECK(rest != 0);
  CHECK(rest < 10'000);
}

TEST_CASE("a token leads to its record and can be claimed once") {
  Items* const slab = make_slab();
  Item& item = armed(*slab);
  CHECK(item.token() != 0);
  CHECK(slab->find(item.token()) == &item);
  CHECK(item.open());
  CHECK(item.claim(item.token()));
  CHECK_FALSE(item.open());
  CHECK_FALSE(item.claim(item.token()));
  CHECK_FALSE(item.lock(item.token()));
}

TEST_CASE("a record that is not armed cannot be claimed") {
  Items* const slab = make_slab();
  Item* const item = slab->allocate();
  CHECK_FALSE(item->claim(item->token()));
  item->arm();
  CHECK(item->claim(item->token()));
}

TEST_CASE("the token of an earlier use of a record is stale, although it leads to the same memory") {
  Items* const slab = make_slab();
  Item& first = armed(*slab);
  const std::uint64_t old = first.token();
  REQUIRE(first.claim(old));
  slab->free(&first);
  std::vector<Item*> taken;
  Item* again = nullptr;
  while (again == nullptr) {  // the record is reused when all free ones are used up
    Item& next = armed(*slab);
    taken.push_back(&next);
    if (&next == &first) again = &next;
    REQUIRE(taken.size() < 1'000);
  }
  CHECK(again->token() != old);
  CHECK(slab->find(old) == again);
  CHECK_FALSE(again->claim(old));
  CHECK_FALSE(again->lock(old));
  CHECK(again->claim(again->token()));
}

TEST_CASE("tokens that were never given lead nowhere or to a record that refuses them") {
  Items* const slab = make_slab();
  Item& item = armed(*slab);
  CHECK(slab->find(0) == nullptr);
  CHECK(slab->find(item.token() ^ 3) == nullptr);              // another kind
  CHECK(slab->find(item.token() | token::locked) == nullptr);  // the mark of a lock
  CHECK(slab->find(token::make(1, 1u << 20, kind)) == nullptr);
  const std::uint64_t future = item.token() + (std::uint64_t{1} << (token::index_bits + token::kind_bits));
  REQUIRE(slab->find(future) == &item);
  CHECK_FALSE(item.claim(future));
  CHECK(item.claim(item.token()));
}

TEST_CASE("a locked record is claimed only when it is unlocked") {
  Items* const slab = make_slab();
  Item& item = armed(*slab);
  const std::uint64_t value = item.token();
  REQUIRE(item.lock(value));
  std::atomic<bool> claimed{false};
  std::atomic<bool> result{false};
  std::thread claimer([&] {
    result = item.claim(value);
    claimed = true;
  });
  for (int i = 0; i < 200; ++i) std::this_thread::yield();
  CHECK_FALSE(claimed);
  item.unlock(value);
  claimer.join();
  CHECK(result);
}

TEST_CASE("a claim that waits for a lock fails when the holder of the lock claims") {
  Items* const slab = make_slab();
  Item& item = armed(*slab);
  const std::uint64_t value = item.token();
  REQUIRE(item.lock(value));
  std::atomic<bool> result{true};
  std::thread claimer([&] { result = item.claim(value); });
  std::this_thread::yield();
  item.claim_locked();
  claimer.join();
  CHECK_FALSE(result);
}

TEST_CASE("of many threads that claim one record exactly one succeeds") {
  Items* const slab = make_slab();
  constexpr int rounds = 2'000;
  std::vector<Item*> items;
  for (int i = 0; i < rounds; ++i) items.push_back(&armed(*slab));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (Item* const item : items) {
        const std::uint64_t value = item->token();
        if (t % 2 == 0 && item->lock(value)) item->unlock(value);
        if (item->claim(value)) ++item->claims;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(std::all_of(items.begin(), items.end(), [](const Item* item) { return item->claims == 1; }));
}

TEST_CASE("of an owner and another thread exactly one claims a use of a record, and neither touches the next use") {
  Items* const slab = make_slab();
  Item& item = *slab->allocate();
  constexpr int rounds = 20'000;
  std::atomic<std::uint64_t> shown{0};
  std::atomic<int> others{0};
  std::atomic<bool> over{false};
  std::thread other([&] {
    std::uint64_t seen = 0;
    while (!over) {
      const std::uint64_t value = shown.load();
      if (value == seen) continue;
      seen = value;
      if (!item.lock(value)) continue;
      item.claim_locked();
      ++others;
    }
  });
  int owners = 0;
  int lost = 0;
  for (int i = 0; i < rounds; ++i) {
    item.arm_owned();
    shown = item.token();
    for (int k = i % 64; k > 0; --k) std::atomic_signal_fence(std::memory_order_seq_cst);
    if (item.claim_owned(item.token())) ++owners;
    REQUIRE(slab->reuse(item));
    // The next use, as one that nobody owns: nobody else knows its token.
    item.arm();
    if (!item.claim(item.token())) ++lost;
    REQUIRE(slab->reuse(item));
  }
  over = true;
  other.join();
  CHECK(owners + others == rounds);
  CHECK(lost == 0);
}

TEST_CASE("a slab that has had no memory very often has its records when there is some again") {
  static auto& slab = *new Slab<Scarce, kind>;
  no_memory = true;
  for (int i = 0; i < 70'000; ++i) REQUIRE(slab.allocate() == nullptr);  // more often than it could ever grow
  no_memory = false;
  CHECK(slab.allocate() != nullptr);
}

TEST_CASE("records come from any thread and go back on any other, and no token is given twice") {
  Items* const slab = make_slab();
  constexpr std::size_t each = 250'000;
  std::vector<std::vector<std::uint64_t>> tokens(4);
  std::vector<std::atomic<Item*>> exchange(64);
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    threads.emplace_back([&, t] {
      tokens[t].reserve(each);
      for (std::size_t i = 0; i < each; ++i) {
        Item* const item = slab->allocate();
        tokens[t].push_back(item->token());
        item->arm();
        // Another thread's record comes back for it, most of the time.
        Item* const other = exchange[(i * 7 + t) % exchange.size()].exchange(item);
        if (other == nullptr) continue;
        if (!other->claim(other->token())) ++refused;
        slab->free(other);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(refused == 0);
  std::vector<std::uint64_t> all;
  for (const auto& some : tokens) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  CHECK(all.size() == 4 * each);
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  // A million allocations have been served by a few thousand records.
  const auto highest =
      std::max_element(all.begin(), all.end(), [](auto a, auto b) { return token::index(a) < token::index(b); });
  CHECK(token::index(*highest) < 20'000);
}

TEST_CASE("at the memory limit a slab gives no new record, and the free ones are still used") {
  Items* const slab = make_slab();
  Item& first = armed(*slab);
  memory_budget.set_limit(1);
  std::size_t more = 0;
  while (slab->allocate() != nullptr) ++more;
  memory_budget.set_limit(MemoryBudget::unlimited);
  CHECK(more > 0);
  CHECK(first.open());
  CHECK(slab->allocate() != nullptr);
}

TEST_CASE("a trimmed slab has no memory, and tokens of all ages stay stale and are not given twice") {
  Items* const slab = make_slab();
  const std::uint64_t before = memory_budget.counts().used;
  std::set<std::uint64_t> tokens;
  for (int round = 0; round < 3; ++round) {
    std::vector<Item*> items;
    for (int i = 0; i < 20'000; ++i) {
      Item& item = armed(*slab);
      REQUIRE(tokens.insert(item.token()).second);
      CHECK(item.claims == 0);
      items.push_back(&item);
    }
    Item& kept = armed(*slab);
    tokens.insert(kept.token());
    REQUIRE(memory_budget.counts().used > before + 15'000 * sizeof(Item));
    for (Item* const item : items) {
      REQUIRE(item->claim(item->token()));
      item->claims = 0;
      slab->free(item);
    }
    slab->trim();
    CHECK(memory_budget.counts().used < before + 8 * 512 * sizeof(Item) + (std::uint64_t{1} << 20));
    CHECK(kept.open());  // its chunk stays
    for (const std::uint64_t token : tokens) {
      Item* const item = slab->find(token);
      REQUIRE(item != nullptr);
      if (item != &kept) REQUIRE_FALSE(item->claim(token));
    }
    REQUIRE(kept.claim(kept.token()));
    slab->free(&kept);
  }
}

TEST_CASE("threads allocate and free while another trims") {
  Items* const slab = make_slab();
  std::atomic<bool> over{false};
  std::vector<std::vector<std::uint64_t>> tokens(3);
  std::vector<std::thread> threads;
  for (auto& mine : tokens) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        std::vector<Item*> items;
        for (int i = 0; i < 3'000; ++i) {
          Item& item = *slab->allocate();
          item.arm();
          mine.push_back(item.token());
          items.push_back(&item);
        }
        for (Item* const item : items) {
          if (!item->claim(item->token())) std::abort();
          slab->free(item);
        }
      }
    });
  }
  std::thread trimmer([&] {
    while (!over) slab->trim();
  });
  for (std::thread& thread : threads) thread.join();
  over = true;
  trimmer.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : tokens) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 3u * 20 * 3'000);
}
