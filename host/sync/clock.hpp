// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace backplane::host {

/// Nanoseconds of the steady clock. 0 means "none" where a time is optional.
using Nanos = std::uint64_t;

inline Nanos now() noexcept {
  return static_cast<Nanos>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

inline constexpr Nanos nanos_per_ms = 1'000'000;

/// The time `ms` from now. A time too far in the future becomes "never".
inline Nanos after_ms(std::uint64_t ms) noexcept {
  constexpr Nanos never = ~Nanos{0} / 2;
  return ms >= never / nanos_per_ms ? never : now() + ms * nanos_per_ms;
}

/// Unix time in milliseconds, of the coarse clock: a few milliseconds late, and cheap.
inline std::uint64_t unix_ms() noexcept {
  ::timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000 + static_cast<std::uint64_t>(time.tv_nsec) / 1'000'000;
}

}  // namespace backplane::host
