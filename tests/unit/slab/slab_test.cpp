// SPDX-License-Identifier: Apache-2.0
//
// Slab and Record: tokens, claims, locks, owners, and running out of memory or generations.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "slab/slab.hpp"

using namespace backplane::host;

namespace {

struct Item : Record {
  Item* next = nullptr;
  std::atomic<int> claims{0};
};
constexpr unsigned kind = 1;

/// Of which no memory may be had.
struct Scarce : Record {
  Scarce* next = nullptr;
  static inline bool none = false;
  static void* operator new[](std::size_t size, const std::nothrow_t& otherwise) noexcept {
    return none ? nullptr : ::operator new[](size, otherwise);
  }
  static void operator delete[](void* memory) noexcept { ::operator delete[](memory); }
};
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
  while (again == nullptr) {  // the record comes round once those that are free have gone
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
  Scarce::none = true;
  for (int i = 0; i < 70'000; ++i) REQUIRE(slab.allocate() == nullptr);  // more often than it could ever grow
  Scarce::none = false;
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
