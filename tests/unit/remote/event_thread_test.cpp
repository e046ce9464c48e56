// SPDX-License-Identifier: Apache-2.0
//
// EventThread: order of delivery, removal of listeners, its limit, and its end.
#include "remote/event_thread.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "support/views.hpp"

using namespace backplane::host;
using namespace std::chrono_literals;

namespace {

struct Running {
  std::shared_ptr<EventThread> events;
  explicit Running(std::uint64_t most = EventThread::usual_waiting) : events(std::make_shared<EventThread>(most)) {
    events->start([](std::uint64_t, std::uint64_t, std::uint32_t) {});
  }
  ~Running() {
    events->finish(EventThread::Clock::now() + 5s);
    events->join_or_detach();
  }
};

struct Seen {
  std::vector<std::string> texts;
  static void on_event(void* user, const bp_event* event) {
    static_cast<Seen*>(user)->texts.emplace_back(reinterpret_cast<const char*>(event->payload.data),
                                                 event->payload.size);
  }
};

}  // namespace

TEST_CASE("events reach their listener in order, and all that were queued before the end do") {
  Seen seen;
  Running running;
  const std::uint64_t id = running.events->add("a.*", Seen::on_event, &seen);
  CHECK(id == 1);
  for (int i = 0; i < 10'000; ++i) {
    running.events->push({id, 0, "a.b", wire::as_bytes(std::to_string(i))});
  }
  REQUIRE(running.events->finish(EventThread::Clock::now() + 5s));
  REQUIRE(seen.texts.size() == 10'000);
  for (int i = 0; i < 10'000; ++i) REQUIRE(seen.texts[static_cast<std::size_t>(i)] == std::to_string(i));
}

TEST_CASE("once a listener has been removed from another thread its user data may go") {
  Running running;
  struct User {
    std::atomic<bool> alive{true};
    std::atomic<int> calls{0};
    std::atomic<bool> misused{false};
  };
  for (int round = 0; round < 300; ++round) {
    User user;
    const std::uint64_t id = running.events->add(
        "a.b",
        [](void* u, const bp_event*) {
          auto& self = *static_cast<User*>(u);
          ++self.calls;
          std::this_thread::yield();
          if (!self.alive) self.misused = true;
        },
        &user);
    for (int i = 0; i < 20; ++i) running.events->push({id, 0, "a.b", {}});
    if (round % 2 == 0) {
      while (user.calls == 0) std::this_thread::yield();
    }
    REQUIRE(running.events->remove(id));
    user.alive = false;
    const int calls = user.calls;
    std::this_thread::yield();
    REQUIRE(user.calls == calls);
    REQUIRE_FALSE(user.misused);
    REQUIRE_FALSE(running.events->remove(id));
  }
}

TEST_CASE("a listener may remove itself and add another from its own callback") {
  struct User {
    std::shared_ptr<EventThread> events;
    std::atomic<std::uint64_t> id{0};
    std::atomic<std::uint64_t> other{0};
    std::atomic<int> calls{0};
    std::atomic<int> other_calls{0};
  };
  Running running;
  User user{running.events};
  user.id = running.events->add(
      "a.b",
      [](void* u, const bp_event*) {
        auto& self = *static_cast<User*>(u);
        ++self.calls;
        self.events->remove(self.id);
        self.other = self.events->add(
            "a.b", [](void* v, const bp_event*) { ++static_cast<User*>(v)->other_calls; }, &self);
      },
      &user);
  running.events->push({user.id, 0, "a.b", {}});
  running.events->push({user.id, 0, "a.b", {}});
  while (user.other == 0) std::this_thread::yield();
  running.events->push({user.other, 0, "a.b", {}});
  REQUIRE(running.events->finish(EventThread::Clock::now() + 5s));
  CHECK(user.calls == 1);
  CHECK(user.other_calls == 1);
  CHECK(user.other > user.id);
}

TEST_CASE("events beyond the bound are lost to their listener, which gets gaps that say how many, in their place") {
  struct User {
    std::atomic<bool> go{false};
    std::atomic<std::uint64_t> events{0};
    std::atomic<std::uint64_t> lost{0};
    std::atomic<int> gaps{0};
    std::atomic<int> dated{0};
    std::uint8_t last = 0;  // the first byte of the last event
    static void on_event(void* u, const bp_event* event) {
      auto& self = *static_cast<User*>(u);
      while (!self.go) std::this_thread::yield();
      if ((event->flags & BP_EVENT_GAP) == 0) {
        ++self.events;
        self.last = event->payload.data[0];
        return;
      }
      if (event->emitted_ms > 1'600'000'000'000) ++self.dated;
      ++self.gaps;
      self.lost += event->lost;
    }
  };
  User user;
  User other;
  const std::uint64_t mib = GENERATE(8u, 3u);
  Running running(mib << 20);
  const std::uint64_t id = running.events->add("a.b", User::on_event, &user);
  running.events->add("a.b", User::on_event, &other);
  wire::Bytes payload(1 << 20, 'e');
  constexpr std::uint64_t total = 30;
  for (std::uint64_t i = 0; i < total; ++i) running.events->push({id, 0, "a.b", payload});
  // A gap that the host tells, and that does not fit either, is part of this side's.
  const GapEvent told({1'000, 1'700'000'000'000});
  running.events->push({id, told.native().flags, GapEvent::name, view(told.payload())});
  other.go = true;
  user.go = true;
  while (user.events + user.lost != total + 1'000) std::this_thread::yield();
  payload[0] = 'l';
  running.events->push({id, 0, "a.b", payload});
  REQUIRE(running.events->finish(EventThread::Clock::now() + 5s));
  CHECK(user.last == 'l');
  CHECK(user.events + user.lost == total + 1'000 + 1);
  CHECK(user.gaps > 0);
  CHECK(user.dated == user.gaps);
  CHECK(user.events >= mib + 1);
  // At most a full queue was being delivered while another waited behind it.
  CHECK(user.events <= 2 * (mib + 1) + 1);
  CHECK(other.events + other.lost == 0);
}

TEST_CASE("an end that a listener holds up is told as such, and comes when the listener returns") {
  std::atomic<bool> go{false};
  Running running;
  const std::uint64_t id = running.events->add(
      "a.b",
      [](void* u, const bp_event*) {
        while (!*static_cast<std::atomic<bool>*>(u)) std::this_thread::yield();
      },
      &go);
  running.events->push({id, 0, "a.b", {}});
  CHECK_FALSE(running.events->finish(EventThread::Clock::now() + 20ms));
  go = true;
  CHECK(running.events->finish(EventThread::Clock::now() + 5s));
}

TEST_CASE("what was lost is told before the event that the connection is gone, which is the last") {
  struct User {
    std::atomic<bool> go{false};
    std::vector<std::string> names;
    static void on_event(void* u, const bp_event* event) {
      auto& self = *static_cast<User*>(u);
      while (!self.go) std::this_thread::yield();
      self.names.emplace_back(view(event->name));
    }
  };
  User user;
  Running running;
  const std::uint64_t id = running.events->add("*", User::on_event, &user);
  const wire::Bytes payload(1 << 20);
  for (std::size_t i = 0; i < 30; ++i) running.events->push({id, 0, "a.b", payload});
  running.events->push_to_all("backplane.disconnected", payload);
  user.go = true;
  REQUIRE(running.events->finish(EventThread::Clock::now() + 5s));
  REQUIRE(user.names.size() > 2);
  CHECK(user.names[user.names.size() - 2] == "backplane.gap");
  CHECK(user.names.back() == "backplane.disconnected");
}
