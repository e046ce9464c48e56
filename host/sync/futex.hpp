// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

#include "sync/clock.hpp"

namespace backplane::host {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "a futex is a plain 32-bit word");

/// Sleeps while `word` is `expected`: until it is woken, until that point of time (0: no bound), or for no reason. Only
/// within this process. FUTEX_WAIT_BITSET takes a point of time of the clock that Nanos counts (futex(2)).
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, Nanos until = 0) noexcept {
  constexpr Nanos second = 1'000'000'000;
  const ::timespec at{static_cast<std::time_t>(until / second), static_cast<long>(until % second)};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, until == 0 ? nullptr : &at, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

/// Wakes one thread that sleeps on the word. The word may already be freed; a thread that sleeps on a new word at the
/// same address then wakes without a reason.
inline void futex_wake_one(std::atomic<std::uint32_t>* word) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

/// The same of all that sleep on the word.
inline void futex_wake_all(std::atomic<std::uint32_t>* word) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace backplane::host
