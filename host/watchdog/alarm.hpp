// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unique_fd.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// A timer that one thread waits for and other threads set. Unlike a condition, setting it does not wake the waiting
/// thread early. It rings once for each set(). Setting it again cancels the previous time, even if that has rung and
/// wait() has not returned.
class Alarm {
 public:
  /// Throws std::system_error.
  Alarm();

  /// Rings after this time. 0 counts as 1.
  void set(Nanos after) noexcept;
  /// Cancels the alarm.
  void clear() noexcept;
  /// Waits until it rings. Only one thread may wait.
  void wait() noexcept;

 private:
  void settle(Nanos after) noexcept;

  UniqueFd fd_;
};

}  // namespace backplane::host
