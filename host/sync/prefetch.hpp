// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane::host {

/// Has the cache line brought here to be written soon: the stores then need not wait for it.
inline void prefetch_to_write(const void* at) noexcept {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));  // harmless where it is not known
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace backplane::host
