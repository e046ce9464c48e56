// SPDX-License-Identifier: Apache-2.0
//
// Orders a store before a later load on two sides, a frequent one and a rare one. Each side stores a value, then reads
// the value of the other side. If both run at the same time, at least one must see the other. This needs a full fence
// on both sides. Alternatively, the frequent side uses no fence, and the rare side issues a fence in all threads with
// membarrier(2). This saves the frequent side about 5 ns. A full fence would also wait until the cache lines of all
// earlier stores have arrived from other cores.
#pragma once

#include <atomic>

namespace backplane::host {

namespace fence_detail {
/// Whether the kernel supports membarrier(2). Set before main().
extern const bool asymmetric;
}  // namespace fence_detail

/// For the frequent side, between its store and its load.
inline void light_fence() noexcept {
#if defined(__SANITIZE_THREAD__) && defined(__x86_64__)
  __asm__ volatile("mfence" ::: "memory");  // ThreadSanitizer does not support fences, and would drop the one below
#else
  if (fence_detail::asymmetric) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
#endif
}

/// For the rare side, between its store and its load. Takes about a microsecond.
void heavy_fence() noexcept;

}  // namespace backplane::host
