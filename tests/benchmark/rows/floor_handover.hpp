// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace bench {

/// The least that two threads need to hand something over and get it back: each spins on a cache line of its own. The
/// partner spins only within samples(), so that nothing else finds its core taken.
class SpinHandOver {
 public:
  SpinHandOver();
  SpinHandOver(const SpinHandOver&) = delete;
  SpinHandOver& operator=(const SpinHandOver&) = delete;
  ~SpinHandOver();

  /// Appends the nanoseconds of `count` hand-overs there and back, one after another.
  void samples(std::uint64_t count, std::vector<double>& out);

 private:
  void serve();
  void answer();

  struct alignas(64) Line {
    std::atomic<std::uint32_t> value{0};
  };
  static constexpr std::uint32_t last = UINT32_MAX;  // there is no further one

  Line there_, back_;
  Line turn_;  // of samples(); the partner sleeps on it
  std::atomic<bool> over_{false};
  std::thread partner_;
};

/// The same with two threads that both sleep, on futexes.
class SleepHandOver {
 public:
  SleepHandOver();
  SleepHandOver(const SleepHandOver&) = delete;
  SleepHandOver& operator=(const SleepHandOver&) = delete;
  ~SleepHandOver();

  /// Nanoseconds of one there and back.
  double sample();

 private:
  void serve();

  alignas(64) std::uint32_t there_ = 0;
  alignas(64) std::uint32_t back_ = 0;
  std::atomic<bool> over_{false};
  std::thread partner_;
};

}  // namespace bench
