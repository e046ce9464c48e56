// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>

#include <algorithm>
#include <thread>

#include "sync/clock.hpp"

namespace backplane::host {

/// Call this in a spinning loop. It briefly leaves the core's resources to its hardware sibling.
inline void relax_core() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Lets other threads that wait for this core run first.
inline void give_way() noexcept { ::sched_yield(); }

/// The thread that a spinning thread waits for may be scheduled on the same core. Then it cannot run while the other
/// spins. So a spinning thread gives way at times: first early, because the other thread may just have been woken. Then
/// rarely, because giving way takes a third of a microsecond in which the spinning thread sees nothing.
class GiveWay {
 public:
  explicit GiveWay(Nanos begin) noexcept : next_(begin + first) {}
  void at(Nanos time) noexcept {
    if (time < next_) return;
    give_way();
    next_ = time + interval;
  }

 private:
  static constexpr Nanos first = 2'000;
  static constexpr Nanos interval = 10'000;
  Nanos next_;
};

/// Looks from `begin` until `end` whether `came()` holds, and gives way now and then. Whether it was seen to hold.
template <class F>
bool spin_until(Nanos begin, Nanos end, F came) noexcept {
  GiveWay give_way(begin);
  for (Nanos time = begin; time < end; time = now()) {
    give_way.at(time);
    for (int i = 0; i < 32; ++i) {
      if (came()) return true;
      relax_core();
    }
  }
  return false;
}

/// How long one thread spins for something before it sleeps: a sleep and a wake take many times longer than what is
/// waited for often does. Each vain spin halves the next one; each useful one, and each sleep that was as short as the
/// longest spin, restores it. On one core it does not spin.
class AdaptiveSpin {
 public:
  static constexpr Nanos usual = 50'000;

  explicit AdaptiveSpin(Nanos longest = usual) noexcept
      : longest_(std::thread::hardware_concurrency() == 1 ? 0 : longest), now_(longest_) {}

  /// Whether `came()` was seen to hold. Not beyond the point of time `latest` (0: no bound).
  template <class F>
  bool spin(F came, Nanos latest = 0) noexcept {
    if (length() == 0) return false;
    const Nanos begin = now();
    const Nanos end = begin + now_;
    if (!spin_until(begin, latest == 0 ? end : std::min(end, latest), came)) {
      vain();
      return false;
    }
    restore();
    return true;
  }

  /// Reports the length of the sleep after a spin in vain.
  void slept(Nanos time) noexcept {
    if (time < longest_) restore();
  }

  // For a loop of its own, which looks at what spin() cannot.

  /// How long the next spin may take; 0: none.
  Nanos length() const noexcept { return now_ < shortest ? 0 : now_; }
  /// The spin was vain.
  void vain() noexcept { now_ /= 2; }
  /// The spin was useful, or the next one is likely to be.
  void restore() noexcept { now_ = longest_; }

 private:
  static constexpr Nanos shortest = 1'000;
  Nanos longest_;
  Nanos now_;
};

}  // namespace backplane::host
