// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

/// Prefetches a cache line for writing, so that later stores do not wait for it.
inline void prefetch_to_write(const void* at) noexcept {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));  // a no-op on processors without it
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace backplane::host
