// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <thread>

#include "support/clock.hpp"

namespace backplane {

/// In a loop that spins: leaves the core's resources to its sibling for a moment.
inline void relax_core() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// How long one thread spins for something before it sleeps: a sleep and a wake take many times longer than what is
/// waited for often does. Each vain spin halves the next one; each useful one, and each sleep that was as short as the
/// longest spin, restores it. On one core it does not spin.
class Patience {
 public:
  explicit Patience(Nanos longest = 50'000) noexcept
      : longest_(std::thread::hardware_concurrency() == 1 ? 0 : longest), now_(longest_) {}

  /// Whether `came()` was seen to hold.
  template <class F>
  bool spin(F came) noexcept {
    if (now_ < shortest) return false;
    const Nanos end = now() + now_;
    do {
      for (int i = 0; i < 32; ++i) {
        if (came()) {
          now_ = longest_;
          return true;
        }
        relax_core();
      }
    } while (now() < end);
    now_ /= 2;
    return false;
  }

  /// What came after a vain spin came after so long a sleep.
  void slept(Nanos time) noexcept {
    if (time < longest_) now_ = longest_;
  }

 private:
  static constexpr Nanos shortest = 1'000;
  Nanos longest_;
  Nanos now_;
};

}  // namespace backplane
