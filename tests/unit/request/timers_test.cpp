// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <iostream>
#include <map>
#include <random>
#include <vector>

#include "request/timer_heap.hpp"

using namespace backplane::host;

namespace {

struct Fired {
  std::vector<const Timer*> timers;
};

struct Noted : Timer {
  Fired* fired = nullptr;
};

void note(Timer& timer) { static_cast<Noted&>(timer).fired->timers.push_back(&timer); }

}  // namespace

TEST_CASE("timers fire in the order of their times, and none before its time") {
  TimerHeap timers;
  Fired fired;
  Noted each[4];
  const Nanos times[] = {40, 10, 30, 20};
  for (int i = 0; i < 4; ++i) {
    each[i].fire = note;
    each[i].fired = &fired;
    timers.set(each[i], times[i]);
  }
  CHECK(timers.next() == 10);
  CHECK_FALSE(timers.fire_due(9));
  CHECK(timers.fire_due(30));
  CHECK(fired.timers == std::vector<const Timer*>{&each[1], &each[3], &each[2]});
  CHECK(each[0].is_set());
  CHECK_FALSE(each[1].is_set());
  CHECK(timers.next() == 40);
}

TEST_CASE("a timer may set itself again while it fires") {
  TimerHeap timers;
  struct Ticker : Timer {
    explicit Ticker(TimerHeap& in) : timers(in) {}
    TimerHeap& timers;
    int left = 3;
  } ticker{timers};
  ticker.fire = [](Timer& timer) {
    auto& self = static_cast<Ticker&>(timer);
    if (--self.left > 0) self.timers.set(self, self.when + 10);
  };
  timers.set(ticker, 10);
  CHECK(timers.fire_due(20));
  CHECK(ticker.left == 1);
  CHECK(timers.next() == 30);
  CHECK(timers.fire_due(30));
  CHECK(timers.next() == 0);
}

TEST_CASE("the heap of timers agrees with a sorted map under random setting, moving, cancelling and firing") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TimerHeap timers;
  Fired fired;
  std::vector<Noted> all(200);
  std::multimap<Nanos, const Timer*> model;
  const auto forget = [&model](const Timer& timer) {
    for (auto [at, end] = model.equal_range(timer.when); at != end; ++at) {
      if (at->second == &timer) return model.erase(at), true;
    }
    return false;
  };
  Nanos time = 1;
  bool agreed = true;
  for (int step = 0; step < 100'000 && agreed; ++step) {
    Noted& timer = all[random() % all.size()];
    timer.fire = note;
    timer.fired = &fired;
    switch (random() % 4) {
      case 0:
      case 1: {
        if (timer.is_set()) agreed = agreed && forget(timer);
        const Nanos when = time + random() % 50;
        timers.set(timer, when);
        model.emplace(when, &timer);
        break;
      }
      case 2:
        agreed = agreed && timer.is_set() == forget(timer);
        timers.cancel(timer);
        break;
      default: {
        time += random() % 8;
        fired.timers.clear();
        const bool any = timers.fire_due(time);
        agreed = agreed && any == !fired.timers.empty();
        Nanos before = 0;
        for (const Timer* const one : fired.timers) {
          agreed = agreed && one->when >= before && one->when <= time && forget(*one);
          before = one->when;
        }
        agreed = agreed && (model.empty() || model.begin()->first > time);
      }
    }
    agreed = agreed && timers.next() == (model.empty() ? 0 : model.begin()->first);
  }
  CHECK(agreed);
}
