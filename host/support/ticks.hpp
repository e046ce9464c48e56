// SPDX-License-Identifier: Apache-2.0
//
// A clock that costs less than half of the steady one, for spans that are measured at each request. Its unit
// is found by comparison with the steady clock when a span is shown to people.
#pragma once

#include <cstdint>

#include "sync/clock.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace backplane::host {

/// Counts up at a constant rate, alike on all cores. Only differences mean something.
using Ticks = std::uint64_t;

namespace ticks_detail {
#if defined(__x86_64__)
// The time stamp counter runs at one rate in all states of the processor: CPUID 0x80000007, EDX bit 8
// (Intel SDM volume 3, "Invariant TSC"; AMD APM volume 3).
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

/// The span between two readings; 0 if the later one, from another core, is a little behind.
constexpr Ticks span(Ticks from, Ticks to) noexcept { return to > from ? to - from : 0; }

/// How long a tick is. Not for a hot path.
double nanos_per_tick() noexcept;

}  // namespace backplane::host
