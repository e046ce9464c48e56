// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "memory/budget.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Returns free memory of the heap to the system after a burst. The allocator alone keeps it: a block that is still in
/// use holds all that lies before it. One thread uses it, which must not be a request thread, because returning much
/// memory takes milliseconds.
class MemoryTrimmer {
 public:
  /// After an idle look, this much must have been released since the last time; after another look, more.
  static constexpr std::uint64_t idle_least = std::uint64_t{4} << 20;
  static constexpr std::uint64_t busy_least = std::uint64_t{64} << 20;
  /// Minimum time between two returns while threads are busy.
  static constexpr Nanos busy_interval = Nanos{5} * 1'000'000'000;

  constexpr MemoryTrimmer(MemoryBudget& budget, void (*trim)(bool idle) noexcept) noexcept
      : budget_(budget), trim_(trim) {}

  /// Call this now and then. `idle`: no thread is busy. Returns whether it has returned memory.
  bool look(Nanos now, bool idle) noexcept;

 private:
  MemoryBudget& budget_;
  void (*const trim_)(bool idle) noexcept;
  std::uint64_t high_ = 0;  ///< the largest use since the last return
  Nanos last_ = 0;
};

/// Returns the free memory of all of malloc's arenas.
void trim_heap() noexcept;

}  // namespace backplane::host
