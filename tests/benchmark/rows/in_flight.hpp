// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "relax.hpp"

namespace bench {

/// What one thread begins and another ends: the first waits when a whole window is in flight, until half of it is not.
///
/// How it waits is part of what is measured, so ours and the floors wait alike. It spins if there is a core for each
/// thread: a sleep and a wake would take longer than half a window does. Otherwise it sleeps at once, since spinning or
/// yielding it would take time from the very thread that it waits for. Who ends things tells so once for half a window
/// only, which costs next to nothing for each, and leaves no wake-up to be missed.
class InFlight {
 public:
  /// `window`: 2 or more. `threads`: how many are at work at a time, those that begin and the one that ends.
  InFlight(std::uint32_t window, unsigned threads)
      : window_(window), may_spin_(threads <= std::thread::hardware_concurrency()) {}

  /// Before the first of `count`; nothing must be in flight.
  void start(std::uint32_t count) {
    begun_ = seen_ = ended_ = 0;
    count_ = count;
    next_ = std::min(window_ / 2, count_);
    told_.store(0, std::memory_order_relaxed);
  }
  /// Before each.
  void wait_for_room() {
    if (begun_ - seen_ >= window_) wait_until([this] { return begun_ - seen_ < window_; });
    ++begun_;
  }
  /// After the last, which is the count-th.
  void wait_for_all() {
    wait_until([this] { return seen_ == count_; });
  }

  /// The other thread's, once for each; what is in flight hands the members it uses over to it.
  void ended() {
    if (++ended_ == next_) tell();
  }

 private:
  void tell() {
    next_ = std::min(next_ + window_ / 2, count_);
    told_.store(ended_, std::memory_order_release);
    told_.notify_one();
  }

  template <class Condition>
  void wait_until(Condition condition) {
    constexpr std::chrono::microseconds patience{
        200};  // some sleeps and wakes; who waits longer has no core to spin on
    seen_ = told_.load(std::memory_order_acquire);
    if (condition()) return;
    const auto end = std::chrono::steady_clock::now() + patience;
    for (unsigned i = 1; may_spin_ && (i % 64 != 0 || std::chrono::steady_clock::now() < end); ++i) {
      // About every 10 us: the other thread may have been put on this core, and would otherwise wait for all of that.
      if (i % 256 == 64) std::this_thread::yield();
      relax();
      seen_ = told_.load(std::memory_order_acquire);
      if (condition()) return;
    }
    while (seen_ = told_.load(std::memory_order_acquire), !condition()) {
      told_.wait(seen_, std::memory_order_acquire);
    }
  }

  const std::uint32_t window_;
  const bool may_spin_;
  std::uint32_t begun_ = 0;
  std::uint32_t seen_ = 0;
  alignas(64) std::uint32_t ended_ = 0;  // from here on the other thread's
  std::uint32_t next_ = 0;               // tells when so many have ended
  std::uint32_t count_ = 0;
  alignas(64) std::atomic<std::uint32_t> told_{0};
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
