// SPDX-License-Identifier: Apache-2.0
//
// Callbacks that remove each other's listeners, in chains and cycles.
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "test_listeners.hpp"

using namespace event_test;

namespace {

/// Threads that are each in a callback, of one listener each, at the same time, and there remove listeners.
struct Ring {
  explicit Ring(std::size_t size) : ears(size), ids(size), inside(size) {}

  /// `removes(i)` is what callback i does once every callback runs.
  void run(const std::function<TestListeners&(std::size_t)>& home, const std::function<void(std::size_t)>& removes) {
    for (std::size_t i = 0; i < ears.size(); ++i) {
      ears[i].act = [this, i, removes](const bp_event&) {
        inside[i] = true;
        ++arrived;
        while (arrived != ears.size()) std::this_thread::yield();
        removes(i);
        inside[i] = false;
      };
      ids[i] = add(home(i), "a.n" + std::to_string(i), ears[i]);
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < ears.size(); ++i) {
      threads.emplace_back([&home, i] { call(home(i), "a.n" + std::to_string(i)); });
    }
    for (auto& thread : threads) thread.join();  // a hang here is the failure
  }

  std::vector<Heard> ears;
  std::vector<std::uint64_t> ids;
  std::vector<std::atomic<bool>> inside;
  std::atomic<std::size_t> arrived{0};
};

}  // namespace

TEST_CASE("of two listeners that remove each other one waits for the other, which does not wait") {
  for (int round = 0; round < 100; ++round) {
    TestListeners listeners;
    Ring ring(2);
    std::atomic<int> did_not_wait{0};
    std::atomic<int> removed{0};
    ring.run([&](std::size_t) -> TestListeners& { return listeners; },
             [&](std::size_t i) {
               const std::size_t other = 1 - i;
               // The second one to come finds the first one on its way into the wait.
               while (round % 2 == static_cast<int>(i) && listeners.count() == 2) std::this_thread::yield();
               removed += listeners.remove(ring.ids[other]) ? 1 : 0;
               did_not_wait += ring.inside[other] ? 1 : 0;
             });
    REQUIRE(removed == 2);
    REQUIRE(did_not_wait == 1);
    REQUIRE(listeners.count() == 0);
  }
}

TEST_CASE("a ring of removals through several contexts is found, and broken in one place only") {
  for (int round = 0; round < 100; ++round) {
    TestListeners contexts[3];
    Ring ring(5);
    std::atomic<int> did_not_wait{0};
    std::atomic<int> removed{0};
    const auto home = [&](std::size_t i) -> TestListeners& { return contexts[i % 3]; };
    ring.run(home, [&](std::size_t i) {
      const std::size_t next = (i + 1) % 5;
      removed += home(next).remove(ring.ids[next]) ? 1 : 0;
      did_not_wait += ring.inside[next] ? 1 : 0;
    });
    REQUIRE(removed == 5);
    REQUIRE(did_not_wait == 1);
  }
}

TEST_CASE("a chain of removals that is no ring is waited for to its end") {
  for (int round = 0; round < 100; ++round) {
    TestListeners listeners;
    Ring ring(4);
    std::atomic<int> did_not_wait{0};
    ring.run([&](std::size_t) -> TestListeners& { return listeners; },
             [&](std::size_t i) {
               if (i == 3) {  // the end of the chain goes when all others wait
                 while (listeners.count() != 1) std::this_thread::yield();
                 return;
               }
               listeners.remove(ring.ids[i + 1]);
               did_not_wait += ring.inside[i + 1] ? 1 : 0;
             });
    REQUIRE(did_not_wait == 0);
  }
}

TEST_CASE("who removes a listener from outside waits for it, although its callback waits in turn for another") {
  for (int round = 0; round < 100; ++round) {
    TestListeners listeners;
    Ring ring(2);
    std::atomic<bool> early{false};
    std::thread outside;
    ring.run([&](std::size_t) -> TestListeners& { return listeners; },
             [&](std::size_t i) {
               if (i == 0) {
                 outside = std::thread([&] {
                   listeners.remove(ring.ids[0]);
                   early = ring.inside[0].load();
                 });
               }
               while (listeners.count() == 2) std::this_thread::yield();  // 0 is removed; two may wait for it
               listeners.remove(ring.ids[1 - i]);
             });
    outside.join();
    REQUIRE_FALSE(early);
  }
}
