// SPDX-License-Identifier: Apache-2.0
//
// Time is moved by look(); the watchdog's own thread looks once an hour here.
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "watchdog/watchdog.hpp"

using namespace backplane;

namespace {

constexpr Nanos ms = nanos_per_ms;
constexpr WatchdogOptions by_hand{3'600'000 * ms, 1'000 * ms, 0};

struct Rig {
  explicit Rig(const WatchdogOptions& options = by_hand) : watchdog(options) {
    id = watchdog.watch(heartbeat, "request", [this](const Liveness& liveness) { told.push_back(liveness); });
  }
  ~Rig() { watchdog.unwatch(id); }

  std::vector<Liveness> told;
  Heartbeat heartbeat;
  Watchdog watchdog;
  Watchdog::Id id;
};

}  // namespace

TEST_CASE("a thread that is busy and does not move is told of once an episode, and once when it is back") {
  Rig watched;
  watched.heartbeat.busy();
  watched.watchdog.look(600 * ms);
  CHECK(watched.told.empty());
  watched.watchdog.look(600 * ms);
  REQUIRE(watched.told.size() == 1);
  CHECK_FALSE(watched.told[0].responding);
  CHECK(watched.told[0].for_ms == 1'200);
  CHECK(std::string(watched.told[0].thread) == "request");
  for (int i = 0; i < 10; ++i) watched.watchdog.look(600 * ms);
  CHECK(watched.told.size() == 1);

  watched.heartbeat.beat();
  watched.watchdog.look(600 * ms);
  REQUIRE(watched.told.size() == 2);
  CHECK(watched.told[1].responding);
  CHECK(watched.told[1].for_ms == 7'800);  // the last 600 in part, nobody knows which
  watched.heartbeat.beat();
  watched.watchdog.look(600 * ms);
  CHECK(watched.told.size() == 2);

  watched.watchdog.look(600 * ms);
  watched.watchdog.look(600 * ms);
  CHECK(watched.told.size() == 3);  // a new episode
}

TEST_CASE("the threshold itself is too long, anything below it is not") {
  Rig watched;
  watched.heartbeat.busy();
  watched.watchdog.look(999 * ms);
  CHECK(watched.told.empty());
  watched.watchdog.look(1 * ms);
  CHECK(watched.told.size() == 1);
}

TEST_CASE("a long backlog in which the beats move is no stall") {
  Rig watched;
  watched.heartbeat.busy();
  for (int i = 0; i < 100; ++i) {
    watched.heartbeat.beat();
    watched.watchdog.look(999 * ms);
  }
  CHECK(watched.told.empty());
}

TEST_CASE("a wait without work is no stall, and ends one") {
  Rig watched;
  watched.heartbeat.idle();
  for (int i = 0; i < 10; ++i) watched.watchdog.look(5'000 * ms);
  CHECK(watched.told.empty());
  watched.heartbeat.busy();
  watched.watchdog.look(900 * ms);
  watched.heartbeat.idle();
  watched.watchdog.look(900 * ms);
  watched.heartbeat.busy();
  watched.watchdog.look(900 * ms);  // counted from anew
  CHECK(watched.told.empty());
}

TEST_CASE("a stall says which wire name of which generation runs") {
  Module module;
  module.name = "slow";
  Method method;
  method.name = "slow.spin";
  method.module = &module;
  Rig watched;
  watched.heartbeat.busy();
  watched.heartbeat.running(&method, 7);
  watched.watchdog.look(2'000 * ms);
  REQUIRE(watched.told.size() == 1);
  CHECK(watched.told[0].method == &method);
  CHECK(watched.told[0].generation == 7);
  watched.heartbeat.running(nullptr, 0);
  watched.heartbeat.beat();
  watched.watchdog.look(2'000 * ms);
  REQUIRE(watched.told.size() == 2);
  CHECK(watched.told[1].method == &method);
  CHECK(watched.told[1].generation == 7);
}

TEST_CASE("a new thread is not judged during its start grace") {
  Rig graced({3'600'000 * ms, 1'000 * ms, 3'600'000 * ms});
  graced.heartbeat.busy();
  for (int i = 0; i < 10; ++i) graced.watchdog.look(5'000 * ms);
  CHECK(graced.told.empty());
}

TEST_CASE("one stalled thread is told of although others move") {
  Watchdog watchdog(by_hand);
  Heartbeat stalled;
  Heartbeat moving;
  std::vector<std::string> told;
  const auto tell = [&told](const Liveness& liveness) { told.emplace_back(liveness.thread); };
  const auto a = watchdog.watch(stalled, "stalled", tell);
  const auto b = watchdog.watch(moving, "moving", tell);
  stalled.busy();
  moving.busy();
  for (int i = 0; i < 3; ++i) {
    moving.beat();
    watchdog.look(500 * ms);
  }
  CHECK(told == std::vector<std::string>{"stalled"});
  watchdog.unwatch(a);
  watchdog.unwatch(b);
}

TEST_CASE("after unwatch a thread is not told of any more") {
  Watchdog watchdog(by_hand);
  Heartbeat heartbeat;
  int told = 0;
  const auto id = watchdog.watch(heartbeat, "request", [&told](const Liveness&) { ++told; });
  heartbeat.busy();
  watchdog.unwatch(id);
  watchdog.look(5'000 * ms);
  CHECK(told == 0);
}

TEST_CASE("the watchdog wakes for a thread that becomes busy, and finds its stall by itself") {
  Watchdog watchdog({5 * ms, 10 * ms, 0});
  Heartbeat heartbeat;
  std::atomic<int> told{0};
  const auto id = watchdog.watch(heartbeat, "request", [&told](const Liveness&) { ++told; });
  for (int episode = 1; episode <= 3; ++episode) {
    heartbeat.beat();
    heartbeat.busy();
    watchdog.active();
    const Nanos limit = after_ms(10'000);
    while (told != 2 * episode - 1 && now() < limit) std::this_thread::yield();
    REQUIRE(told == 2 * episode - 1);
    heartbeat.idle();
    while (told != 2 * episode && now() < limit) std::this_thread::yield();
    REQUIRE(told == 2 * episode);
  }
  watchdog.unwatch(id);
}

TEST_CASE("a process that stood still as a whole is not taken for a stall of one thread") {
  Watchdog watchdog({20 * ms, 50 * ms, 0});
  Heartbeat heartbeat;
  std::atomic<int> told{0};
  const auto id = watchdog.watch(heartbeat, "request", [&told](const Liveness&) { ++told; });
  std::atomic<int> told_after{-1};
  // While the first job runs the watchdog itself stands still; the second comes right after its next look.
  heartbeat.busy();
  watchdog.post(0, [&] {
    watchdog.post(0, [&] { told_after = told.load(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
  });
  const Nanos limit = after_ms(10'000);
  while (told_after < 0 && now() < limit) std::this_thread::yield();
  CHECK(told_after == 0);
  heartbeat.idle();
  watchdog.unwatch(id);
}

TEST_CASE("a job of somebody who is unwatched does not run, and one that runs is waited for, within a bound") {
  Watchdog watchdog(by_hand);
  Heartbeat heartbeat;
  std::atomic<bool> inside{false};
  std::atomic<bool> go_on{false};
  std::atomic<bool> second_ran{false};
  const auto id = watchdog.watch(heartbeat, "event", [](const Liveness&) {});
  watchdog.post(id, [&] {
    inside = true;
    while (!go_on) std::this_thread::yield();
  });
  watchdog.post(id, [&] { second_ran = true; });
  while (!inside) std::this_thread::yield();
  CHECK_FALSE(watchdog.unwatch(id, std::chrono::milliseconds(5)));
  go_on = true;
  CHECK(watchdog.unwatch(id));
  watchdog.flush();
  CHECK_FALSE(second_ran);
}

TEST_CASE("jobs run in order on the watchdog thread, and flush waits for them") {
  Watchdog watchdog(by_hand);
  std::vector<int> ran;
  std::atomic<bool> on_thread{false};
  for (int i = 0; i < 5; ++i) watchdog.post(0, [&ran, i] { ran.push_back(i); });
  watchdog.post(0, [&] { on_thread = watchdog.on_thread(); });
  watchdog.flush();
  CHECK(ran == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(on_thread);
  CHECK_FALSE(watchdog.on_thread());
}

TEST_CASE("to unwatch one thread does not wait for what is told of another") {
  Watchdog watchdog(by_hand);
  Heartbeat stuck;
  Heartbeat idle;
  std::promise<void> told;
  std::promise<void> go_on;
  const auto of_stuck = watchdog.watch(stuck, "request", [&](const Liveness&) {
    told.set_value();
    go_on.get_future().wait();
  });
  const auto of_idle = watchdog.watch(idle, "request", [](const Liveness&) {});
  stuck.busy();
  std::thread looker([&] { watchdog.look(5'000 * ms); });
  told.get_future().wait();
  CHECK(watchdog.unwatch(of_idle, std::chrono::seconds(20)));
  CHECK_FALSE(watchdog.unwatch(of_stuck, std::chrono::milliseconds(5)));
  go_on.set_value();
  CHECK(watchdog.unwatch(of_stuck, std::chrono::seconds(20)));
  looker.join();
}
