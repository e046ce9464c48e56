// SPDX-License-Identifier: Apache-2.0
//
// A clock that costs less than half of the steady clock, for measuring every request. Its unit is determined by
// comparison with the steady clock, when a report needs it.
#pragma once

#include <cstdint>

#include "sync/clock.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace backplane::host {

/// A counter with a constant rate, equal on all cores. Only differences have a meaning.
using Ticks = std::uint64_t;

namespace ticks_detail {
#if defined(__x86_64__)
// Whether the time stamp counter has the same rate in all states of the processor: CPUID 0x80000007, EDX bit 8 (Intel
// SDM volume 3, "Invariant TSC"; AMD APM volume 3).
inline bool has_steady_counter() noexcept {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}
inline const bool use_counter = has_steady_counter();
#endif
}  // namespace ticks_detail

inline Ticks ticks() noexcept {
#if defined(__x86_64__)
  if (ticks_detail::use_counter) return __builtin_ia32_rdtsc();
#endif
  return now();
}

/// The ticks between two readings; 0 if the later reading, from another core, is slightly smaller.
constexpr Ticks span(Ticks from, Ticks to) noexcept { return to > from ? to - from : 0; }

/// The length of a tick: always the same in one process. May take a millisecond, so not for a hot path.
double nanos_per_tick() noexcept;
/// So many nanoseconds, in ticks. As costly as nanos_per_tick().
inline Ticks ticks_in(Nanos time) noexcept { return static_cast<Ticks>(static_cast<double>(time) / nanos_per_tick()); }

}  // namespace backplane::host
