// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unique_fd.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// A clock that one thread sleeps by and others set: to set it wakes nobody before its time, which a condition would.
/// Rings once for each time it is set; set again, it forgets what it was set to, also if it has rung and nobody has
/// heard it.
class Alarm {
 public:
  /// Throws std::system_error.
  Alarm();

  /// It rings when so much time is over; 0 counts as 1.
  void set(Nanos after) noexcept;
  /// It does not ring.
  void clear() noexcept;
  /// Returns when it has rung. One thread.
  void wait() noexcept;

 private:
  void settle(Nanos after) noexcept;

  UniqueFd fd_;
};

}  // namespace backplane::host
