// SPDX-License-Identifier: Apache-2.0
//
// A detector on a clock that the test moves.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "watchdog/stall_detector.hpp"

namespace backplane::host {

inline constexpr Nanos ms = nanos_per_ms;
inline constexpr Nanos begin = 50'000 * ms;

/// A detector, its clock, and what the kernel would say of threads.
struct StallDetectorFixture {
  explicit StallDetectorFixture(const WatchdogOptions& options = {1'000 * ms, 1'000 * ms, 0})
      : detector(options, [this](::pid_t tid) { return probe(tid); }) {
    detector.slept(time);
  }
  StallDetector::Id watch(Heartbeat& heartbeat, const char* thread = "request") {
    return detector.add({&heartbeat, thread, nullptr, nullptr}, time);
  }
  std::optional<Scheduling> probe(::pid_t) {
    ++probed;
    return scheduling;
  }
  /// Looks after `elapsed`, and notes what is found.
  std::size_t look_after(Nanos elapsed) {
    time += elapsed;
    const auto found = detector.look(time);
    for (const auto& each : found) told.push_back(each.liveness);
    return found.size();
  }
  /// Looks as the detector asks to, until `span` is over; how much of it was over at the first finding, 0 for none.
  Nanos run(Nanos span) {
    const Nanos start = time;
    Nanos first = 0;
    while (time - start < span) {
      if (look_after(std::min(detector.interval(), span - (time - start))) != 0 && first == 0) first = time - start;
    }
    return first;
  }

  Nanos time = begin;
  std::optional<Scheduling> scheduling;
  int probed = 0;
  std::vector<Liveness> told;
  StallDetector detector;
};

/// Busy, and judged from the next look on.
struct Busy : Heartbeat {
  Busy() { busy(); }
};

}  // namespace backplane::host
