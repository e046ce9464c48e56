// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace bench {

/// What one thread has begun and another ends: the first waits, without sleeping for long, when too much is begun.
class InFlight {
 public:
  explicit InFlight(std::uint64_t window) : window_(window) {}

  void wait_for_room() {
    if (begun_ - seen_ >= window_) wait_until([this] { return begun_ - seen_ < window_; });
    ++begun_;
  }
  void wait_for_all() {
    wait_until([this] { return begun_ == seen_; });
  }
  /// The other thread's.
  void ended() { ended_.store(ended_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  // Gives the core away: on a machine with few, the other thread may need it.
  template <class Condition>
  void wait_until(Condition condition) {
    while (seen_ = ended_.load(std::memory_order_acquire), !condition()) std::this_thread::yield();
  }

  const std::uint64_t window_;
  std::uint64_t begun_ = 0;
  std::uint64_t seen_ = 0;
  alignas(64) std::atomic<std::uint64_t> ended_{0};
};

/// Nanoseconds for each of `count`.
template <class Work>
double timed(std::uint64_t count, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / static_cast<double>(count);
}

}  // namespace bench
