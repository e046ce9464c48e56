// SPDX-License-Identifier: Apache-2.0
//
// The lanes from the producers to the request thread, and what those share that have none.
#include <atomic>
#include <catch2/catch.hpp>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "ingress/ingress.hpp"

using namespace backplane::host;

namespace {

struct Item {
  Item* next = nullptr;
  unsigned producer = 0;
  int number = 0;
};

struct Note {
  unsigned producer;
  int number;
};

using TestIngress = Ingress<Item, Note>;
using Push = TestIngress::Push;

Push send(TestIngress& ingress, Note note) {
  TestIngress::Lane* const lane = ingress.lane();
  REQUIRE(lane != nullptr);
  return ingress.send(*lane, [note](Note& place) { place = note; });
}

/// Takes all there is, of lanes and what came without one, as the request thread does.
template <class See>
void take(TestIngress& ingress, See see) {
  for (Item* item = ingress.take_shared(); item != nullptr;) {
    Item* const next = item->next;
    ingress.taken_shared();
    see(item->producer, item->number);
    item = next;
  }
  while (auto* const entry = ingress.front()) {
    if (entry->is_inline) {
      see(entry->inline_call.producer, entry->inline_call.number);
    } else {
      see(entry->made->producer, entry->made->number);
    }
    ingress.pop();
  }
}

/// Whether each producer's come in its order.
struct Order {
  explicit Order(std::size_t producers) : last(producers, -1) {}
  std::vector<int> last;
  int seen = 0;
  bool kept = true;

  void operator()(unsigned producer, int number) {
    kept = kept && number == last[producer] + 1;
    last[producer] = number;
    ++seen;
  }
};

}  // namespace

TEST_CASE("a producer that fills the ingress to its depth is refused one more, and let in when one is taken") {
  for (const std::uint32_t depth : {1u, 4u, 64u, 100u, 20'000u}) {
    CAPTURE(depth);
    const auto ingress = std::make_unique<TestIngress>(depth);
    Item item;
    for (std::uint32_t i = 0; i < depth; ++i) {
      REQUIRE((i % 3 == 0 ? ingress->push(&item, false) : send(*ingress, {})) == Push::ok);
    }
    CHECK(send(*ingress, {}) == Push::full);
    CHECK(ingress->push(&item, false) == Push::full);
    CHECK(ingress->waiting() == depth);
    REQUIRE(ingress->front() != nullptr);
    CHECK(send(*ingress, {}) == Push::full);
    ingress->pop();
    CHECK(ingress->waiting() == depth - 1);
    CHECK(send(*ingress, {}) == Push::ok);
    CHECK(send(*ingress, {}) == Push::full);
  }
}

TEST_CASE("an ingress takes no more than its depth from several producers together") {
  constexpr std::uint32_t depth = 16;
  const auto ingress = std::make_unique<TestIngress>(depth);
  std::atomic<std::uint32_t> accepted{0};
  std::latch all(8);
  std::mutex one_by_one;  // at the same moment two may find the same place
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      TestIngress::Lane* const lane = ingress->lane();
      all.arrive_and_wait();  // each has a lane of its own
      for (int k = 0; k < 6; ++k) {
        const std::lock_guard lock(one_by_one);
        accepted += ingress->send(*lane, [](Note& place) { place = {}; }) == Push::ok;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(accepted == depth);
  CHECK(ingress->waiting() == depth);
}

TEST_CASE("a closed ingress refuses every producer, gives what it has, and can be opened again") {
  const auto ingress = std::make_unique<TestIngress>(1'000);
  REQUIRE(send(*ingress, {7, 1}) == Push::ok);
  ingress->close();
  Item item;
  CHECK(send(*ingress, {}) == Push::closed);
  CHECK(ingress->push(&item, false) == Push::closed);
  std::thread([&] {
    Item mine;
    CHECK(ingress->push(&mine, false) == Push::closed);
  }).join();
  CHECK(ingress->waiting() == 1);
  int seen = 0;
  take(*ingress, [&](unsigned producer, int) { seen += producer == 7; });
  CHECK(seen == 1);
  CHECK(ingress->empty());
  ingress->open();
  CHECK(send(*ingress, {}) == Push::ok);
}

namespace {

/// Runs `f` on a thread that has no lane of this ingress: all are taken while it runs.
template <class F>
void without_lane(TestIngress& ingress, F f) {
  std::latch all(TestIngress::lane_count + 1);
  std::latch done(1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < TestIngress::lane_count; ++i) {
    threads.emplace_back([&] {
      ingress.lane();
      all.arrive_and_wait();
      done.wait();
    });
  }
  all.arrive_and_wait();
  std::thread(f).join();
  done.count_down();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("what a producer does before its item is seen is done for no item that is refused") {
  const auto ingress = std::make_unique<TestIngress>(1);
  const auto pushes = [&] {
    Item item;
    int published = 0;
    const auto publish = [&] { ++published; };
    REQUIRE(ingress->push(&item, false, publish) == Push::ok);
    CHECK(published == 1);
    CHECK(ingress->push(&item, false, publish) == Push::full);
    CHECK(published == 1);
    take(*ingress, [](unsigned, int) {});
    ingress->close();
    CHECK(ingress->push(&item, false, publish) == Push::closed);
    CHECK(published == 1);
    CHECK(ingress->empty());
    ingress->open();
  };
  without_lane(*ingress, [&] {
    REQUIRE(ingress->lane() == nullptr);
    pushes();
  });
  std::thread(pushes).join();  // has a lane: its owner has ended
}

TEST_CASE("nothing comes into an ingress after its closing has returned, also of threads without a lane") {
  for (int round = 0; round < 30; ++round) {
    const auto ingress = std::make_unique<TestIngress>(1u << 20);
    without_lane(*ingress, [&] {
      REQUIRE(ingress->lane() == nullptr);
      std::vector<Item> items(100'000);
      std::atomic<int> sent{0};
      std::thread producer([&] {
        for (Item& item : items) {
          if (ingress->push(&item, false) != Push::ok) return;
          ++sent;
        }
      });
      while (sent == 0) std::this_thread::yield();
      ingress->close();
      int taken = 0;
      take(*ingress, [&](unsigned, int) { ++taken; });
      producer.join();
      REQUIRE(taken == sent);
      REQUIRE(ingress->empty());
    });
  }
}

TEST_CASE("nothing comes into an ingress after its closing has returned") {
  for (int round = 0; round < 300; ++round) {
    const auto ingress = std::make_unique<TestIngress>(1u << 20);
    std::atomic<std::uint64_t> sent{0};
    std::atomic<int> begun{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        TestIngress::Lane* const lane = ingress->lane();
        ++begun;
        while (ingress->send(*lane, [](Note& place) { place = {}; }) == Push::ok) ++sent;
      });
    }
    while (begun < 2) std::this_thread::yield();
    ingress->close();
    std::uint64_t taken = 0;
    take(*ingress, [&](unsigned, int) { ++taken; });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(taken == sent);
    REQUIRE(ingress->empty());
  }
}

TEST_CASE("each producer's calls leave the ingress in its order while others send, also those that share a queue") {
  constexpr std::size_t producers = TestIngress::lane_count + 6;
  constexpr int each = 3'000;
  const auto ingress = std::make_unique<TestIngress>(1u << 20);
  std::vector<std::vector<Item>> items(producers, std::vector<Item>(each));
  std::atomic<std::size_t> without{0};
  std::latch all(producers);
  std::vector<std::thread> threads;
  for (unsigned p = 0; p < producers; ++p) {
    threads.emplace_back([&, p] {
      without += ingress->lane() == nullptr;
      all.arrive_and_wait();  // so that no lane becomes free meanwhile
      for (int i = 0; i < each; ++i) {
        TestIngress::Lane* const lane = ingress->lane();
        if (lane != nullptr && i % 3 != 0) {
          ingress->send(*lane, [&](Note& place) { place = {p, i}; });
        } else {
          Item& item = items[p][static_cast<std::size_t>(i)];
          item.producer = p;
          item.number = i;
          ingress->push(&item, i % 7 == 0);
        }
      }
    });
  }
  Order order(producers);
  while (order.seen < static_cast<int>(producers) * each) take(*ingress, std::ref(order));
  for (std::thread& thread : threads) thread.join();
  CHECK(without == producers - TestIngress::lane_count);
  CHECK(order.kept);
  CHECK(ingress->waiting() == 0);
}

TEST_CASE("a thread finds its lane again, and leaves it to another when it ends") {
  std::vector<std::unique_ptr<TestIngress>> all;
  for (unsigned i = 0; i < 3 * ThreadRecord::lane_caches_kept; ++i) all.push_back(std::make_unique<TestIngress>(100));
  std::vector<TestIngress::Lane*> mine;
  for (const auto& ingress : all) mine.push_back(ingress->lane());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i]->lane() == mine[i]);
  std::set<void*> others;
  for (int i = 0; i < 200; ++i) {  // more than there are lanes
    std::thread([&] {
      others.insert(all[0]->lane());
      CHECK(send(*all[0], {1, i}) == Push::ok);
    }).join();
    REQUIRE(all[0]->front() != nullptr);
    CHECK(all[0]->front()->inline_call.number == i);
    all[0]->pop();
  }
  CHECK(others.size() == 1);
  CHECK(others.count(mine[0]) == 0);
}

TEST_CASE("what is urgent is seen once before its turn, however far back it waits") {
  const auto ingress = std::make_unique<TestIngress>(1u << 20);
  std::vector<Item> items(1'000);
  std::vector<Item*> seen;
  const auto look = [&] { ingress->look_for_urgent([&](Item& item) { seen.push_back(&item); }); };
  look();
  std::size_t sent = 0;
  const auto more = [&](std::size_t letters) {
    for (std::size_t i = 0; i < letters; ++i) REQUIRE(send(*ingress, {0, -1}) == Push::ok);
    REQUIRE(ingress->push(&items[sent++], true) == Push::ok);
  };
  // Behind few and many letters, with and without others between, some of them taken before anybody looks.
  for (const std::size_t letters : {0u, 1u, 62u, 63u, 64u, 65u, 500u}) {
    seen.clear();
    more(letters);
    look();
    REQUIRE(seen == std::vector<Item*>{&items[sent - 1]});
    look();
    CHECK(seen.size() == 1);
    seen.clear();
    more(letters);
    more(letters);
    for (std::size_t i = 0; i < letters && ingress->front() != nullptr; ++i) ingress->pop();
    look();
    CHECK(seen.size() == 2);
    for (auto* entry = ingress->front(); entry != nullptr; entry = ingress->front()) ingress->pop();
    more(letters);
    while (ingress->front() != nullptr) ingress->pop();  // taken before anybody looked
    seen.clear();
    look();
    CHECK(seen.empty());
  }
}
