// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sync/clock.hpp"

namespace backplane::host {

/// Something due at a time. It is the base of the object that it is about, which cancels it before it is destroyed.
struct Timer {
  Nanos when = 0;  ///< the time that it is set for, or was set for last
  void (*fire)(Timer& self) = nullptr;
  std::uint32_t place = not_set;  ///< in the heap; 32 bits, because memory ends before

  static constexpr std::uint32_t not_set = UINT32_MAX;
  bool is_set() const noexcept { return place != not_set; }
};

/// The timers of one request thread: a binary heap, earliest first.
class TimerHeap {
 public:
  /// Sets or moves `timer`. False, and it is not set: no memory. A timer that is set can always be moved.
  bool set(Timer& timer, Nanos when) noexcept;
  void cancel(Timer& timer) noexcept {
    if (timer.is_set()) take_out(timer);
  }

  /// When the next one is due; 0 if none is set.
  Nanos next() const noexcept { return heap_.empty() ? 0 : heap_.front()->when; }

  /// Fires all that are due at `time`; each is unset before it fires, and may be set again by it.
  bool fire_due(Nanos time);

 private:
  void take_out(Timer& timer) noexcept;
  void put(std::size_t place, Timer* timer) noexcept;
  void sift_up(std::size_t place) noexcept;
  void sift_down(std::size_t place) noexcept;

  std::vector<Timer*> heap_;
};

}  // namespace backplane::host
