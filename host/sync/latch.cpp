// SPDX-License-Identifier: Apache-2.0
#include "sync/latch.hpp"

#include "sync/adaptive_spin.hpp"
#include "sync/futex.hpp"

namespace backplane::host {

// The latch may be gone by now.
void Latch::wake() noexcept { futex_wake_all(&state_); }

bool Latch::watch(Nanos spin) const noexcept {
  const Nanos begin = now();
  return spin_until(begin, begin + spin, [this] { return is_open(); });
}

bool Latch::wait_until(Nanos until) noexcept {
  for (;;) {
    std::uint32_t state = closed;
    state_.compare_exchange_strong(state, slept_on, std::memory_order_acq_rel, std::memory_order_acquire);
    if (state == opened) return true;
    if (until != 0 && now() >= until) return false;
    futex_wait(state_, slept_on, until);
  }
}

}  // namespace backplane::host
