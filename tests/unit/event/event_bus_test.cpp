// SPDX-License-Identifier: Apache-2.0
//
// EventBus: order, refusals, overflow and recovery, counts, and the listener named at an overflow.
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "test_bus.hpp"

using namespace event_test;

TEST_CASE("what is emitted is delivered in order, on the event thread") {
  Bus bus(8);
  bus.listen();
  bus.allow(100);
  for (int i = 0; i < 5; ++i) CHECK(bus.emit(std::to_string(i)) == BP_OK);
  CHECK_FALSE(bus.bus.on_any_thread());
  bus.end();
  CHECK(bus.got == std::vector<std::string>{"0", "1", "2", "3", "4"});
  CHECK(bus.bus.counts().emitted == 5);
  CHECK(bus.bus.counts().delivered == 5);
}

TEST_CASE("an event that is no event is refused") {
  Bus bus(8);
  CHECK(bus.bus.emit("one_part", {nullptr, 0}, 0) == BP_INVALID_ARGUMENT);
  CHECK(bus.bus.emit("", {nullptr, 0}, 0) == BP_INVALID_ARGUMENT);
  CHECK(bus.bus.emit("a.b", {nullptr, 0}, 2) == BP_INVALID_ARGUMENT);
  CHECK(bus.bus.emit("a.b", {nullptr, 0}, BP_EVENT_TYPED) == BP_INVALID_ARGUMENT);
  CHECK(bus.bus.emit("a.b", {nullptr, 0}, 0) == BP_OK);
}

TEST_CASE("an event nobody listens to never fills the queue") {
  Bus bus(2);
  for (int i = 0; i < 100; ++i) REQUIRE(bus.emit("x") == BP_OK);
  CHECK(bus.bus.queued() == 0);
  CHECK(bus.told_so_far().empty());
}

TEST_CASE("a queue that overflows says so once, and once more when it has drained to half") {
  Bus bus(4);
  bus.listen();
  CHECK(bus.emit("0") == BP_OK);
  bus.wait_begun(1);  // it is inside the first one, whose slot is still taken
  for (const char* text : {"1", "2", "3"}) CHECK(bus.emit(text) == BP_OK);
  CHECK(bus.emit("lost") == BP_OVERFLOW);
  CHECK(bus.emit("lost") == BP_OVERFLOW);
  CHECK(bus.told_so_far() == std::vector<bool>{true});
  CHECK(bus.bus.counts().refused == 2);

  bus.allow(1);
  bus.wait_begun(2);  // three left: more than half
  CHECK(bus.told_so_far() == std::vector<bool>{true});
  bus.allow(1);
  bus.wait_begun(3);  // two left
  CHECK(bus.told_so_far() == std::vector<bool>{true, false});

  CHECK(bus.emit("4") == BP_OK);
  bus.end();
  CHECK(bus.got == std::vector<std::string>{"0", "1", "2", "3", "4"});
}

TEST_CASE("each episode of overflow is told, also with a queue of one") {
  Bus bus(1);
  bus.listen();
  for (std::size_t episode = 0; episode < 3; ++episode) {
    CHECK(bus.emit("x") == BP_OK);
    bus.wait_begun(episode + 1);
    CHECK(bus.emit("lost") == BP_OVERFLOW);
    bus.allow(1);
    while (bus.bus.queued() != 0 || bus.told_so_far().size() != 2 * (episode + 1)) std::this_thread::yield();
  }
  CHECK(bus.told_so_far() == std::vector<bool>{true, false, true, false, true, false});
}

TEST_CASE("however emitters and the event thread race, overflow is never left standing") {
  for (int round = 0; round < 50; ++round) {
    Bus bus(2);
    bus.listen();
    bus.allow(1'000'000);
    std::vector<std::thread> emitters;
    for (int e = 0; e < 2; ++e) {
      emitters.emplace_back([&bus] {
        for (int i = 0; i < 200; ++i) bus.emit("x");
      });
    }
    for (auto& emitter : emitters) emitter.join();
    bus.end();
    const auto told = bus.told_so_far();
    REQUIRE((told.empty() || !told.back()));
    for (std::size_t i = 0; i < told.size(); ++i) REQUIRE(told[i] == (i % 2 == 0));
    REQUIRE(bus.bus.counts().emitted == 400);
    REQUIRE(bus.bus.counts().delivered + bus.bus.counts().refused == 400);
    REQUIRE(bus.got.size() == bus.bus.counts().delivered);
  }
}

// The emitter finds the queue full, then waits for the lock that the event thread holds as it tells of the end of the
// last overflow; by the time it tells of its own, the event thread has delivered everything and looks no more.
TEST_CASE("overflow that is told of when the queue is empty already is not left standing") {
  struct {
    std::unique_ptr<EventBus> bus;
    std::atomic<bool> go_on{true};
    std::atomic<bool> overflow_again{false};
    std::atomic<bool> stuck{false};
    std::thread emitter;
  } all;
  Watchdog watchdog(rarely);
  const auto emit = [&] { return all.bus->emit("a.b", {nullptr, 0}, 0); };
  const auto tell_stuck = [&](bool stuck) {
    all.stuck = stuck;
    if (stuck || !all.overflow_again.exchange(false)) return;
    const std::uint64_t refused = all.bus->counts().refused;
    all.emitter = std::thread([&] {
      while (emit() == BP_OK) {
      }
    });
    while (all.bus->counts().refused == refused) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // so that it waits for the lock, most likely
  };
  all.bus = std::make_unique<EventBus>(refusing(2), watchdog,
                                       EventBus::Owner{tell_stuck, [](std::uint64_t, std::uint64_t) {}}, stall);
  std::thread events([&] { all.bus->run(); });
  const bp_event_fn waits = [](void* user, const bp_event*) { static_cast<std::atomic<bool>*>(user)->wait(false); };
  all.bus->listen({"*", waits, &all.go_on, {}, false});
  bool cleared = true;
  for (int round = 0; round < 20 && cleared; ++round) {
    all.overflow_again = true;
    all.go_on = false;
    while (emit() == BP_OK) {
    }
    all.go_on = true;
    all.go_on.notify_all();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const auto in_time = [&] { return std::chrono::steady_clock::now() < until; };
    while ((all.overflow_again || all.bus->queued() != 0) && in_time()) std::this_thread::yield();
    all.emitter.join();
    while (all.stuck && in_time()) std::this_thread::yield();
    cleared = !all.stuck;
  }
  CHECK(cleared);
  all.bus->close();
  events.join();
}

TEST_CASE("what was emitted before the close is delivered, what comes after is refused") {
  Bus bus(8);
  bus.listen();
  bus.emit("0");
  bus.emit("1");
  bus.bus.close();
  CHECK(bus.emit("2") == BP_CLOSED);
  bus.end();
  CHECK(bus.got == std::vector<std::string>{"0", "1"});
}

TEST_CASE("each event that is one is counted as emitted, and then as delivered, refused, or queued") {
  Bus bus(2);
  const auto counts = [&] { return bus.bus.counts(); };
  const auto adds_up = [&] { return counts().emitted == counts().delivered + counts().refused + bus.bus.queued(); };
  CHECK(bus.bus.emit("no_event", {nullptr, 0}, 0) == BP_INVALID_ARGUMENT);
  CHECK(counts().emitted == 0);
  CHECK(bus.emit("nobody listens") == BP_OK);
  CHECK(counts().emitted == 1);
  CHECK(counts().delivered == 1);
  bus.listen();
  CHECK(bus.emit("inside") == BP_OK);
  bus.wait_begun(1);
  CHECK(bus.emit("waits") == BP_OK);
  CHECK(bus.emit("too much") == BP_OVERFLOW);
  CHECK(counts().emitted == 4);
  CHECK(counts().refused == 1);
  CHECK(adds_up());
  bus.bus.close();
  CHECK(bus.emit("too late") == BP_CLOSED);
  CHECK(counts().refused == 2);
  CHECK(adds_up());
  bus.end();
  CHECK(counts().emitted == 5);
  CHECK(counts().delivered == 3);
  CHECK(adds_up());
}

TEST_CASE("who held the event thread when the queue overflowed is known when it is told, and when it is over") {
  Watchdog watchdog{rarely};
  std::vector<Culprit> told;
  EventBus* the_bus = nullptr;
  EventBus bus(refusing(1), watchdog,
               {[&](bool) { told.push_back(the_bus->stuck_culprit()); }, [](std::uint64_t, std::uint64_t) {}}, stall);
  the_bus = &bus;
  std::promise<void> inside;
  std::promise<void> go_on;
  struct Ear {
    std::promise<void>& inside;
    std::promise<void>& go_on;
  } ear{inside, go_on};
  const bp_event_fn waits = [](void* user, const bp_event*) {
    static_cast<Ear*>(user)->inside.set_value();
    static_cast<Ear*>(user)->go_on.get_future().wait();
  };
  const auto id = bus.listen({"a.*", waits, &ear, {}, false});
  std::thread thread([&] { bus.run(); });
  CHECK(bus.emit("a.held", {nullptr, 0}, 0) == BP_OK);
  inside.get_future().wait();
  CHECK(bus.culprit().name == "a.held");
  CHECK(bus.emit("a.lost", {nullptr, 0}, 0) == BP_OVERFLOW);
  go_on.set_value();
  bus.close();
  thread.join();
  REQUIRE(told.size() == 2);
  for (const Culprit& culprit : told) {
    CHECK(culprit.in == Holder::listener);
    CHECK(culprit.listener == id);
    CHECK(culprit.name == "a.held");
  }
  CHECK(bus.culprit().in == Holder::none);
}

TEST_CASE(
    "listeners that come and go under a stream of events hear it while they are there, and nothing is lost to others") {
  Bus bus(64);
  bus.allow(100'000'000);
  bus.listen();
  std::atomic<bool> stop{false};
  std::atomic<int> emitted{0};
  std::thread emitter([&] {
    while (!stop) emitted += bus.emit("x") == BP_OK ? 1 : 0;
  });
  struct Ear {
    std::atomic<int> heard{0};
    std::atomic<bool> gone{false};
    std::atomic<bool> late{false};
  };
  bool all_heard = true;
  bool late = false;
  for (int i = 0; i < 100; ++i) {
    const auto ear = std::make_unique<Ear>();
    const bp_event_fn hears = [](void* user, const bp_event*) {
      auto& own = *static_cast<Ear*>(user);
      own.late = own.late || own.gone;
      ++own.heard;
    };
    const auto id = bus.bus.listen({"a.*", hears, ear.get(), {}, false});
    const int before = emitted;
    const Nanos limit = after_ms(20'000);
    while ((emitted < before + 2 || ear->heard == 0) && now() < limit) std::this_thread::yield();
    all_heard = all_heard && ear->heard > 0;
    bus.bus.unlisten(id);
    ear->gone = true;
    late = late || ear->late;
  }
  stop = true;
  emitter.join();
  bus.end();
  CHECK(all_heard);
  CHECK_FALSE(late);
  CHECK(bus.got.size() == static_cast<std::size_t>(emitted));
}
