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

/// Spins from `begin` until `end`, and gives way at times. Returns whether `came()` was true.
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

/// Spins for a while before a thread sleeps, because sleeping and waking often takes much longer than the wait. A spin
/// without success halves the next one. A successful spin restores the full length, and so does a sleep shorter than
/// that. On one core it does not spin.
class AdaptiveSpin {
 public:
  static constexpr Nanos usual = 50'000;

  explicit AdaptiveSpin(Nanos longest = usual) noexcept : longest_(has_one_core() ? 0 : longest), now_(longest_) {}

  /// Spins until `came()` is true, but not beyond the time `latest` (0: no limit). Returns whether it was true.
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

  /// Reports the length of the sleep after a spin without success.
  void slept(Nanos time) noexcept {
    if (time < longest_) restore();
  }

  // For a caller with its own spinning loop, which spin() cannot replace.

  /// The length of the next spin; 0: do not spin.
  Nanos length() const noexcept { return now_ < shortest ? 0 : now_; }
  /// Reports a spin without success.
  void vain() noexcept { now_ /= 2; }
  /// Reports a successful spin, or that the next one is likely to succeed.
  void restore() noexcept { now_ = longest_; }

 private:
  // Asked once: the answer is read from a file.
  static bool has_one_core() noexcept {
    static const bool one = std::thread::hardware_concurrency() == 1;
    return one;
  }

  static constexpr Nanos shortest = 1'000;
  Nanos longest_;
  Nanos now_;
};

}  // namespace backplane::host
