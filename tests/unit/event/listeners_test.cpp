// SPDX-License-Identifier: Apache-2.0
//
// Listeners: adding, calling, and removing, also in cycles of callbacks that remove each other.
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "event/listeners.hpp"
#include "support/views.hpp"

using namespace backplane::host;

namespace {

/// A listener that runs a function; `id` is what its event said.
struct Heard {
  std::function<void(const bp_event&)> act;
  std::vector<std::string> names;
  std::uint64_t id = 0;

  static void on_event(void* user, const bp_event* event) {
    auto& self = *static_cast<Heard*>(user);
    self.names.emplace_back(view(event->name));
    self.id = event->listener.id;
    if (self.act) self.act(*event);
  }
};

std::uint64_t add(Listeners& listeners, std::string_view pattern, Heard& heard) {
  return listeners.add(pattern, Heard::on_event, &heard);
}

void call(Listeners& listeners, std::string_view name) {
  static const std::uint8_t nothing = 0;
  listeners.call({sizeof(bp_event), 0, str(name), {&nothing, 0}, {}});
}

}  // namespace

TEST_CASE("a listener hears its own name, or every name with its prefix") {
  Listeners listeners;
  Heard exact;
  Heard prefix;
  Heard all;
  add(listeners, "kv.changed", exact);
  add(listeners, "kv.*", prefix);
  add(listeners, "*", all);
  CHECK(listeners.count() == 3);
  for (const char* name : {"kv.changed", "kv.changed_too", "kvs.changed"}) call(listeners, name);
  CHECK(exact.names == std::vector<std::string>{"kv.changed"});
  CHECK(prefix.names == std::vector<std::string>{"kv.changed", "kv.changed_too"});
  CHECK(all.names.size() == 3);
}

TEST_CASE("ids of listeners start at 1 and only grow, and the event says whose it is") {
  Listeners listeners;
  Heard heard;
  CHECK(add(listeners, "a.b", heard) == 1);
  CHECK(listeners.remove(1));
  CHECK(add(listeners, "a.b", heard) == 2);
  call(listeners, "a.b");
  CHECK(heard.id == 2);
  CHECK_FALSE(listeners.remove(1));
  CHECK_FALSE(listeners.remove(0));
  CHECK_FALSE(listeners.remove(99));
}

TEST_CASE("a removed listener hears nothing more") {
  Listeners listeners;
  Heard heard;
  const auto id = add(listeners, "a.b", heard);
  call(listeners, "a.b");
  CHECK(listeners.remove(id));
  call(listeners, "a.b");
  CHECK(heard.names.size() == 1);
  CHECK(listeners.count() == 0);
}

TEST_CASE("removing a listener from another thread returns only when its callback has") {
  Listeners listeners;
  std::promise<void> inside;
  std::promise<void> go_on;
  std::atomic<bool> returned{false};
  std::atomic<bool> removed{false};
  std::atomic<bool> removed_early{false};
  Heard heard;
  heard.act = [&](const bp_event&) {
    inside.set_value();
    go_on.get_future().wait();
    removed_early = removed.load();
    returned = true;
  };
  const auto id = add(listeners, "a.b", heard);
  std::thread event_thread([&] { call(listeners, "a.b"); });
  inside.get_future().wait();
  bool returned_first = false;
  std::thread remover([&] {
    listeners.remove(id);
    returned_first = returned;
    removed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(removed);
  go_on.set_value();
  event_thread.join();
  remover.join();
  CHECK(removed);
  CHECK(returned_first);
  CHECK_FALSE(removed_early);
}

TEST_CASE("removing one listener does not wait for the callback of another") {
  Listeners listeners;
  std::promise<void> inside;
  std::promise<void> go_on;
  Heard busy;
  Heard idle;
  busy.act = [&](const bp_event&) {
    inside.set_value();
    go_on.get_future().wait();
  };
  add(listeners, "a.b", busy);
  const auto id = add(listeners, "c.d", idle);
  std::thread event_thread([&] { call(listeners, "a.b"); });
  inside.get_future().wait();
  CHECK(listeners.remove(id));  // a hang here is the failure
  go_on.set_value();
  event_thread.join();
}

TEST_CASE("a listener that removes itself is not called again, and one removed before its turn is not called at all") {
  Listeners listeners;
  Heard first;
  Heard second;
  const auto first_id = add(listeners, "a.b", first);
  const auto second_id = add(listeners, "a.b", second);
  first.act = [&](const bp_event&) {
    CHECK(listeners.remove(first_id));
    CHECK(listeners.remove(second_id));
    CHECK_FALSE(listeners.remove(first_id));
  };
  call(listeners, "a.b");
  call(listeners, "a.b");
  CHECK(first.names.size() == 1);
  CHECK(second.names.empty());
}

TEST_CASE("a listener that is added inside a callback hears the next event") {
  Listeners listeners;
  Heard adder;
  Heard added;
  adder.act = [&](const bp_event&) {
    if (added.id == 0 && listeners.count() == 1) add(listeners, "a.b", added);
  };
  add(listeners, "a.b", adder);
  call(listeners, "a.b");
  CHECK(added.names.empty());
  call(listeners, "a.b");
  CHECK(added.names.size() == 1);
}

TEST_CASE("a callback that runs on two threads is waited for on both") {
  Listeners listeners;
  std::promise<void> go_on[2];
  std::atomic<int> inside{0};
  std::atomic<int> returned{0};
  struct Both {
    std::promise<void>* go_on;
    std::atomic<int>& inside;
    std::atomic<int>& returned;
    static void on_event(void* user, const bp_event*) {
      auto& self = *static_cast<Both*>(user);
      self.go_on[self.inside++].get_future().wait();
      ++self.returned;
    }
  } both{go_on, inside, returned};
  const auto id = listeners.add("*", Both::on_event, &both);
  std::thread event_thread([&] { call(listeners, "a.b"); });
  std::thread watchdog_thread([&] { call(listeners, "backplane.responding"); });
  while (inside != 2) std::this_thread::yield();
  std::atomic<int> returned_at_removal{-1};
  std::thread remover([&] {
    listeners.remove(id);
    returned_at_removal = returned.load();
  });
  go_on[0].set_value();
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(returned_at_removal == -1);
  go_on[1].set_value();
  event_thread.join();
  watchdog_thread.join();
  remover.join();
  CHECK(returned_at_removal == 2);
}

TEST_CASE("user data may be freed as soon as a listener is removed, under a stream of events") {
  Listeners listeners;
  std::atomic<bool> stop{false};
  std::thread event_thread([&] {
    while (!stop) call(listeners, "a.b");
  });
  std::atomic<int> misses{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1'500; ++i) {
        struct Data {
          std::atomic<int> alive{1};
          std::atomic<int>& misses;
        };
        auto* const data = new Data{1, misses};
        const auto id = listeners.add(
            "a.*",
            [](void* user, const bp_event*) {
              auto& own = *static_cast<Data*>(user);
              if (own.alive != 1) ++own.misses;
            },
            data);
        if (i % 4 == 0) std::this_thread::yield();
        listeners.remove(id);
        data->alive = 0;
        delete data;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  stop = true;
  event_thread.join();
  CHECK(misses == 0);
  CHECK(listeners.count() == 0);
}

namespace {

/// Threads that are each in a callback, of one listener each, at the same time, and there remove listeners.
struct Ring {
  explicit Ring(std::size_t size) : ears(size), ids(size), inside(size) {}

  /// `removes(i)` is what callback i does once every callback runs.
  void run(const std::function<Listeners&(std::size_t)>& home, const std::function<void(std::size_t)>& removes) {
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
    Listeners listeners;
    Ring ring(2);
    std::atomic<int> did_not_wait{0};
    std::atomic<int> removed{0};
    ring.run([&](std::size_t) -> Listeners& { return listeners; },
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
    Listeners contexts[3];
    Ring ring(5);
    std::atomic<int> did_not_wait{0};
    std::atomic<int> removed{0};
    const auto home = [&](std::size_t i) -> Listeners& { return contexts[i % 3]; };
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
    Listeners listeners;
    Ring ring(4);
    std::atomic<int> did_not_wait{0};
    ring.run([&](std::size_t) -> Listeners& { return listeners; },
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
    Listeners listeners;
    Ring ring(2);
    std::atomic<bool> early{false};
    std::thread outside;
    ring.run([&](std::size_t) -> Listeners& { return listeners; },
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

TEST_CASE("it can be asked which listener holds a thread, and with which event") {
  Listeners listeners;
  Heard heard;
  Culprit within;
  Culprit elsewhere;
  heard.act = [&](const bp_event&) {
    within = listeners.running_on(std::this_thread::get_id());
    elsewhere = listeners.running_on(std::thread::id());
  };
  add(listeners, "x.y", heard);
  const auto id = add(listeners, "a.*", heard);
  call(listeners, "a.b");
  CHECK(within.in == Holder::listener);
  CHECK(within.listener == id);
  CHECK(within.name == "a.b");
  CHECK(within.module == nullptr);
  CHECK(elsewhere.in == Holder::none);
  CHECK(listeners.running_on(std::this_thread::get_id()).in == Holder::none);
}

TEST_CASE("each listener that an event goes to is a beat") {
  Listeners listeners;
  Heartbeat heartbeat;
  Heard heard;
  for (int i = 0; i < 3; ++i) add(listeners, "a.b", heard);
  add(listeners, "c.d", heard);
  static const std::uint8_t nothing = 0;
  listeners.call({sizeof(bp_event), 0, str("a.b"), {&nothing, 0}, {}}, &heartbeat);
  CHECK(heartbeat.beats() == 3);
}
