// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace backplane::host {

/// The number of parts of a sharded structure. Threads are assigned in turn, so up to this many producers use different
/// cache lines.
inline constexpr unsigned shard_count = 16;

/// The shard of the calling thread.
inline unsigned thread_shard() noexcept {
  static std::atomic<unsigned> next{0};
  thread_local const unsigned mine = next.fetch_add(1, std::memory_order_relaxed) % shard_count;
  return mine;
}

}  // namespace backplane::host
