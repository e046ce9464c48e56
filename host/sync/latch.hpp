// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "sync/clock.hpp"

namespace backplane::host {

/// One thread waits, with a timeout, until another thread opens the latch. The opener does not touch the latch after
/// open(), so the waiting thread may free it at once.
class Latch {
 public:
  void open() noexcept {
    if (state_.exchange(opened, std::memory_order_acq_rel) == slept_on) wake();
  }
  /// Resets the latch. No other thread may use it meanwhile.
  void close() noexcept { state_.store(closed, std::memory_order_relaxed); }
  bool is_open() const noexcept { return state_.load(std::memory_order_acquire) == opened; }

  /// Waits until the latch is open. Returns false after `timeout`. Spins for `spin` before it sleeps: if the other
  /// thread is awake, waking this one takes much longer than the wait itself.
  bool wait(std::chrono::milliseconds timeout, Nanos spin = 0) noexcept {
    return is_open() || (spin > 0 && watch(spin)) || wait_until(now() + timeout.count() * nanos_per_ms);
  }
  /// Sleeps until the latch is open, or until this time (0: no limit). Returns whether it is open.
  bool wait_until(Nanos until) noexcept;

 private:
  static constexpr std::uint32_t closed = 0;
  static constexpr std::uint32_t slept_on = 1;  ///< closed, and open() must wake a thread
  static constexpr std::uint32_t opened = 2;

  void wake() noexcept;
  bool watch(Nanos spin) const noexcept;

  std::atomic<std::uint32_t> state_{closed};  // a futex
};

}  // namespace backplane::host
