// SPDX-License-Identifier: Apache-2.0
#include "sync/latch.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <thread>

#include "sync/adaptive_spin.hpp"

namespace backplane::host {

// The latch may already be freed. The kernel only uses its address to find sleepers, and reads nothing there. A thread
// that sleeps on a new object at the same address checks its condition again.
void Latch::wake() noexcept { ::syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0); }

bool Latch::watch(Nanos spin) const noexcept {
  const Nanos end = now() + spin;
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (is_open()) return true;
      relax_core();
    }
    if (now() >= end) return false;
    std::this_thread::yield();  // on a busy machine, the other thread may be waiting for this core
  }
}

// Uses FUTEX_WAIT_BITSET, because it takes an absolute time of the clock of Nanos (futex(2)).
bool Latch::sleep(std::chrono::milliseconds timeout) noexcept {
  constexpr Nanos second = 1'000'000'000;
  const Nanos until = now() + timeout.count() * nanos_per_ms;
  const ::timespec at{static_cast<std::time_t>(until / second), static_cast<long>(until % second)};
  for (;;) {
    std::uint32_t state = closed;
    state_.compare_exchange_strong(state, slept_on, std::memory_order_acq_rel, std::memory_order_acquire);
    if (state == opened) return true;
    if (now() >= until) return false;
    ::syscall(SYS_futex, &state_, FUTEX_WAIT_BITSET_PRIVATE, slept_on, &at, nullptr, FUTEX_BITSET_MATCH_ANY);
  }
}

}  // namespace backplane::host
