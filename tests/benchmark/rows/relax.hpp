// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace bench {

/// Within a loop that spins: leaves the core's resources to whoever shares them for a moment.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace bench
