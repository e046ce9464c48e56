// SPDX-License-Identifier: Apache-2.0
//
// A judge on a clock that the test moves.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "watchdog/judge.hpp"

namespace backplane {

inline constexpr Nanos ms = nanos_per_ms;
inline constexpr Nanos begin = 50'000 * ms;

/// A judge, its clock, and what the kernel would say of threads.
struct Court {
  explicit Court(const WatchdogOptions& options = {1'000 * ms, 1'000 * ms, 0})
      : judge(options, [this](::pid_t tid) { return probe(tid); }) {
    judge.slept(time);
  }
  Judge::Id watch(Heartbeat& heartbeat, const char* thread = "request") {
    return judge.add({&heartbeat, thread, nullptr, nullptr}, time);
  }
  std::optional<Scheduling> probe(::pid_t) {
    ++probed;
    return scheduling;
  }
  /// Looks after `elapsed`, and notes what is found.
  std::size_t look_after(Nanos elapsed) {
    time += elapsed;
    const auto found = judge.look(time);
    for (const auto& each : found) told.push_back(each.liveness);
    return found.size();
  }
  /// Looks as the judge asks to, until `span` is over; how much of it was over at the first finding, 0 for none.
  Nanos run(Nanos span) {
    const Nanos start = time;
    Nanos first = 0;
    while (time - start < span) {
      if (look_after(std::min(judge.interval(), span - (time - start))) != 0 && first == 0) first = time - start;
    }
    return first;
  }

  Nanos time = begin;
  std::optional<Scheduling> scheduling;
  int probed = 0;
  std::vector<Liveness> told;
  Judge judge;
};

/// Busy, and judged from the next look on.
struct Busy : Heartbeat {
  Busy() { busy(); }
};

}  // namespace backplane
