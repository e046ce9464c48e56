// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "request/record.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Logs that a handler has taken much time of the request thread, without its waits. Request thread.
class CpuWarning {
 public:
  /// `threshold` 0: never.
  explicit CpuWarning(Nanos threshold) noexcept : threshold_(threshold) {}

  /// A handler has returned, after so many ticks on the thread.
  void look(const Request& request, Ticks ran) noexcept {
    // No counter has fewer ticks, so the length of a tick is seldom needed.
    if (threshold_ != 0 && ran >= static_cast<Ticks>(threshold_ / 4)) [[unlikely]]
      look_closely(request, ran);
  }

 private:
  void look_closely(const Request& request, Ticks ran) noexcept;

  const Nanos threshold_;
  Nanos next_ = 0;  // no warning before
};

}  // namespace backplane::host
