// SPDX-License-Identifier: Apache-2.0
//
// Order between a store and a later load, for two sides of which one is frequent and the other rare. Each side
// stores something and then looks at what the other stores; of two that meet, at least one has to see the other.
// That takes a full fence on both sides, or none on the frequent one and a fence in all threads, membarrier(2), on
// the rare one: about 5 ns a call are spared, and, since a full fence waits for all stores before it, the time that
// their cache lines take to come from another core.
#pragma once

#include <atomic>

namespace backplane::host {

namespace fence_detail {
/// Whether the kernel can do it; found out before main().
extern const bool asymmetric;
}  // namespace fence_detail

/// The frequent side's, between its store and its load.
inline void light_fence() noexcept {
#if defined(__SANITIZE_THREAD__) && defined(__x86_64__)
  __asm__ volatile("mfence" ::: "memory");  // ThreadSanitizer knows no fences, and makes none of this one
#else
  if (fence_detail::asymmetric) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
#endif
}

/// The rare side's: about a microsecond.
void heavy_fence() noexcept;

}  // namespace backplane::host
