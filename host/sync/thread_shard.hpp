// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace backplane::host {

/// Sharded structures have this many parts. Threads are dealt to them in turn, so that up to so many
/// producers do not meet on one cache line.
inline constexpr unsigned shard_count = 16;

/// The shard of the calling thread.
inline unsigned thread_shard() noexcept {
  static std::atomic<unsigned> next{0};
  thread_local const unsigned mine = next.fetch_add(1, std::memory_order_relaxed) % shard_count;
  return mine;
}

}  // namespace backplane::host
