// SPDX-License-Identifier: Apache-2.0
//
// The watchdog's thread: when it looks, what runs on it, and what it waits for. Whom it finds is in
// stall_detector_test.cpp.
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "watchdog/alarm.hpp"
#include "watchdog/watchdog.hpp"

using namespace backplane::host;

namespace {

constexpr Nanos ms = nanos_per_ms;
constexpr WatchdogOptions rarely{3'600'000 * ms, 3'600'000 * ms, 0};
constexpr WatchdogOptions often{5 * ms, 120 * ms, 0};

/// Waits until `condition` holds; whether it came to.
template <class F>
bool eventually(F condition) {
  const Nanos limit = after_ms(20'000);
  while (!condition()) {
    if (now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace

TEST_CASE("the watchdog wakes for a thread that becomes busy, and finds its stall by itself") {
  Watchdog watchdog(often);
  Heartbeat heartbeat;
  std::atomic<int> told{0};
  const auto id = watchdog.watch(heartbeat, "request", [&told](const Liveness&) { ++told; });
  for (int episode = 1; episode <= 3; ++episode) {
    heartbeat.beat();
    heartbeat.busy();
    watchdog.active();
    REQUIRE(eventually([&] { return told == 2 * episode - 1; }));
    heartbeat.idle();
    REQUIRE(eventually([&] { return told == 2 * episode; }));
  }
  watchdog.unwatch(id);
}

TEST_CASE("a thread that is stuck already when it begins to be watched is found, too") {
  Watchdog watchdog(often);
  watchdog.flush();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // most likely it sleeps by now
  Heartbeat heartbeat;
  heartbeat.busy();
  watchdog.active();  // nobody it knows
  watchdog.flush();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  std::atomic<int> told{0};
  const auto id = watchdog.watch(heartbeat, "request", [&told](const Liveness&) { ++told; });
  CHECK(eventually([&] { return told == 1; }));
  watchdog.unwatch(id);
}

TEST_CASE("a watchdog that has nothing to watch does not wake") {
  std::atomic<::pid_t> tid{0};
  Watchdog watchdog({1 * ms, 1 * ms, 0});
  watchdog.post(0, [&tid] { tid = ::gettid(); });
  watchdog.flush();
  Heartbeat idle;
  const auto id = watchdog.watch(idle, "request", [](const Liveness&) {});
  REQUIRE(scheduling_of(tid));
  // It comes to rest, on a busy machine after a while. One that wakes each millisecond never does.
  CHECK(eventually([&tid] {
    const Nanos ran = scheduling_of(tid)->ran;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return scheduling_of(tid)->ran == ran;
  }));
  watchdog.unwatch(id);
}

TEST_CASE("a job of somebody who is unwatched does not run, and one that runs is waited for, within a bound") {
  Watchdog watchdog(rarely);
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
  Watchdog watchdog(rarely);
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
  Watchdog watchdog(often);
  Heartbeat stuck;
  Heartbeat idle;
  std::promise<void> told;
  std::promise<void> go_on;
  const auto of_idle = watchdog.watch(idle, "request", [](const Liveness&) {});
  stuck.busy();
  const auto of_stuck = watchdog.watch(stuck, "request", [&](const Liveness& liveness) {
    if (liveness.responding) return;
    told.set_value();
    go_on.get_future().wait();
  });
  told.get_future().wait();
  CHECK(watchdog.unwatch(of_idle, std::chrono::seconds(20)));
  CHECK_FALSE(watchdog.unwatch(of_stuck, std::chrono::milliseconds(5)));
  go_on.set_value();
  CHECK(watchdog.unwatch(of_stuck, std::chrono::seconds(20)));
}

TEST_CASE("what is told of may go away the moment it is unwatched, thousands of times with the same heartbeats") {
  Watchdog watchdog({1'000, 1 * ms, 0});  // looks all the time
  std::atomic<bool> late{false};
  std::atomic<bool> never{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      struct Owner {
        std::atomic<bool> alive{true};
        std::atomic<int> uses{0};
      };
      Heartbeat heartbeat;
      heartbeat.busy();
      for (int i = 0; i < 2'000; ++i) {
        auto owner = std::make_unique<Owner>();
        const auto use = [&late, owner = owner.get()] {
          if (!owner->alive) late = true;
          ++owner->uses;
        };
        const auto id = watchdog.watch(heartbeat, "request", [use](const Liveness&) { use(); });
        watchdog.post(id, use);
        if (i % 3 == 0) heartbeat.beat();
        if (i % 2 == 0) std::this_thread::yield();
        if (i % 100 == 0 && !eventually([&] { return owner->uses > 0; })) never = true;
        watchdog.unwatch(id);
        owner->alive = false;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK_FALSE(late);
  CHECK_FALSE(never);
}

TEST_CASE("two thousand threads are watched, and looked at, at little cost") {
  std::vector<Heartbeat> heartbeats(2'000);
  StallDetector detector({1'000 * ms, 1'000 * ms, 0});
  std::vector<StallDetector::Id> ids;
  Nanos time = now();
  detector.slept(time);
  const Nanos start = now();
  for (int round = 0; round < 10; ++round) {
    for (Heartbeat& heartbeat : heartbeats)
      ids.push_back(detector.add({&heartbeat, "request", nullptr, nullptr}, time));
    for (const StallDetector::Id id : ids) detector.remove(id);
    ids.clear();
  }
  for (Heartbeat& heartbeat : heartbeats) detector.add({&heartbeat, "request", nullptr, nullptr}, time);
  const Nanos looks = now();
  for (int look = 0; look < 100; ++look) {
    for (Heartbeat& heartbeat : heartbeats) heartbeat.beat();
    time += 1'000 * ms;
    CHECK(detector.look(time).empty());
  }
  const Nanos end = now();
  // Measured: 2 ms and 1 ms. Would each addition or look search all others, it were billions of steps.
  CHECK((looks - start) / ms < 5'000);
  CHECK((end - looks) / ms < 5'000);
}

// ---- What it sleeps by ----

TEST_CASE("an alarm rings when its time is over, and not for what it was set to before") {
  Alarm alarm;
  const auto heard_after = [&alarm](Nanos begin) {
    alarm.wait();
    return now() - begin;
  };
  Nanos begin = now();
  alarm.set(3 * ms);
  CHECK(heard_after(begin) >= 3 * ms);
  begin = now();
  alarm.set(0);  // has rung
  alarm.set(3 * ms);
  CHECK(heard_after(begin) >= 3 * ms);
  begin = now();
  alarm.set(0);
  alarm.clear();
  std::thread setter([&alarm] {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    alarm.set(0);
  });
  CHECK(heard_after(begin) >= 3 * ms);
  setter.join();
  alarm.set(3'600'000 * ms);
  alarm.set(0);
  alarm.wait();
  alarm.set(~Nanos{0});  // centuries
  alarm.set(1);
  alarm.wait();
}

TEST_CASE("what is posted while the alarm for a first look is set runs all the same, and a stop is heard") {
  for (int i = 0; i < 200; ++i) {
    Watchdog watchdog({3'600'000 * ms, 3'600'000 * ms, 0});
    Heartbeat heartbeat;
    const auto id = watchdog.watch(heartbeat, "request", [](const Liveness&) {});
    std::thread busy([&] {
      for (int j = 0; j < 20; ++j) {
        heartbeat.busy();
        watchdog.active();
        heartbeat.idle();
      }
    });
    bool ran = false;
    watchdog.post(0, [&ran] { ran = true; });
    watchdog.flush();
    CHECK(ran);
    busy.join();
    watchdog.unwatch(id);
  }
}

// ---- What /proc says ----

TEST_CASE("of a thread that computes the kernel says that it runs, of one that waits that it does not") {
  std::atomic<bool> stop{false};
  std::atomic<::pid_t> spinner{0};
  std::atomic<::pid_t> waiter{0};
  std::promise<void> go_on;
  std::thread spins([&] {
    ::pthread_setname_np(::pthread_self(), "a) R (b");  // must not be taken for the state
    spinner = ::gettid();
    while (!stop) {
    }
  });
  std::thread waits([&] {
    waiter = ::gettid();
    go_on.get_future().wait();
  });
  REQUIRE(eventually([&] { return spinner != 0 && waiter != 0; }));
  REQUIRE(scheduling_of(spinner));
  REQUIRE(eventually([&] { return scheduling_of(waiter)->state == 'S'; }));
  const Scheduling before = *scheduling_of(spinner);
  CHECK(before.state == 'R');
  const Scheduling rested = *scheduling_of(waiter);
  const Nanos start = now();
  REQUIRE(eventually([&] { return scheduling_of(spinner)->ran - before.ran > 20 * ms; }));
  const Scheduling after = *scheduling_of(spinner);
  CHECK(after.ran - before.ran < now() - start + 20 * ms);
  CHECK(scheduling_of(waiter)->ran == rested.ran);
  stop = true;
  go_on.set_value();
  spins.join();
  waits.join();
  CHECK_FALSE(scheduling_of(0));
  CHECK_FALSE(scheduling_of(1 << 30));
}

TEST_CASE("a thread that gets half a core is seen to have waited for the other half") {
  std::atomic<bool> stop{false};
  std::atomic<::pid_t> tids[2];
  std::vector<std::thread> threads;
  ::cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      ::sched_setaffinity(0, sizeof one, &one);
      tids[t] = ::gettid();
      while (!stop) {
      }
    });
  }
  REQUIRE(eventually([&] { return tids[0] != 0 && tids[1] != 0; }));
  const Scheduling before = *scheduling_of(tids[0]);
  // Each of the two waits while the other one runs.
  CHECK(eventually([&] {
    const Scheduling after = *scheduling_of(tids[0]);
    return after.waited - before.waited > 20 * ms && after.ran - before.ran > 20 * ms;
  }));
  stop = true;
  for (auto& thread : threads) thread.join();
}
