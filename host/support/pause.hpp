// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace backplane {

/// One step of a short wait for another thread: leaves the core to its other half, where it has two.
inline void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace backplane
