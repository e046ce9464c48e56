// SPDX-License-Identifier: Apache-2.0
//
// Data of one thread that other threads read, without a lock and without an atomic addition.
#pragma once

#include <atomic>
#include <cstdint>

namespace backplane::host {

/// Belongs to one thread at a time. Records are never freed; a new thread takes over the record of a thread that ended.
struct alignas(64) ThreadRecord {
  /// The context slot that the thread is inside, so that it is not freed meanwhile. Only the thread writes it. See
  /// endpoint/context_table.hpp.
  std::atomic<const void*> pinned{nullptr};
  /// Odd while a thread has the record. The number differs for each thread that has had it.
  std::atomic<std::uint64_t> life{0};

  /// A lane that the thread has in an ingress. Only the thread uses it. See ingress/ingress.hpp.
  struct LaneCache {
    std::uint64_t ingress = 0;
    void* lane = nullptr;
  };
  static constexpr unsigned lane_caches_kept = 4;
  LaneCache lane_caches[lane_caches_kept];
  bool without_lanes = false;

  ThreadRecord* next = nullptr;  ///< list of all records; constant
};

/// Gets a record for the calling thread. Null if out of memory, or if the thread is ending.
ThreadRecord* begin_thread_record() noexcept;

namespace thread_detail {
// Uses the initial-exec TLS model, because the function call of other models costs as much as the work itself.
extern thread_local constinit ThreadRecord* mine [[gnu::tls_model("initial-exec")]];
}  // namespace thread_detail

inline ThreadRecord* thread_record() noexcept {
  ThreadRecord* const mine = thread_detail::mine;
  return mine != nullptr ? mine : begin_thread_record();
}

/// Whether a thread is inside `what`. Call heavy_fence() before.
bool is_pinned(const void* what) noexcept;

}  // namespace backplane::host
