// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "sync/clock.hpp"

namespace backplane::host {

/// One thread waits, with a bound, for another to have done something. Opening it is the last that the other does
/// with it: who waited may free it at once.
class Latch {
 public:
  void open() noexcept {
    if (state_.exchange(opened, std::memory_order_acq_rel) == slept_on) wake();
  }
  /// To be opened again. Nobody may wait, or open it.
  void close() noexcept { state_.store(closed, std::memory_order_relaxed); }
  bool is_open() const noexcept { return state_.load(std::memory_order_acquire) == opened; }

  /// Whether it was opened in time. Looks at it for `spin` before it sleeps: to be woken takes many times as long
  /// as what is waited for, if the other thread is awake.
  bool wait(std::chrono::milliseconds timeout, Nanos spin = 0) noexcept {
    return is_open() || (spin > 0 && watch(spin)) || sleep(timeout);
  }

 private:
  static constexpr std::uint32_t closed = 0;
  static constexpr std::uint32_t slept_on = 1;  ///< closed, and who opens it has to wake somebody
  static constexpr std::uint32_t opened = 2;

  void wake() noexcept;
  bool watch(Nanos spin) const noexcept;
  bool sleep(std::chrono::milliseconds timeout) noexcept;

  std::atomic<std::uint32_t> state_{closed};  // a futex
};

}  // namespace backplane::host
