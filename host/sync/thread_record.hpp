// SPDX-License-Identifier: Apache-2.0
//
// What one thread lets the others see of it, without a lock and without an atomic addition.
#pragma once

#include <atomic>
#include <cstdint>

namespace backplane::host {

/// Of one thread at a time. Records are never freed: when a thread ends, the next that begins takes its record over.
struct alignas(64) ThreadRecord {
  /// What the thread is inside of, so that it is not taken away meanwhile; written by the thread alone. See
  /// endpoint/context_table.hpp.
  std::atomic<const void*> pinned{nullptr};
  /// Odd while a thread has the record; another number in each thread's time.
  std::atomic<std::uint64_t> life{0};

  /// The thread's own: the lane that it used last in an ingress. See ingress/ingress.hpp.
  struct LaneCache {
    std::uint64_t ingress = 0;
    void* lane = nullptr;
  };
  static constexpr unsigned lane_caches_kept = 4;
  LaneCache lane_caches[lane_caches_kept];
  bool without_lanes = false;

  ThreadRecord* next = nullptr;  ///< of all there are; constant
};

/// The calling thread's, null if memory for it cannot be had, or while the thread ends.
ThreadRecord* begin_thread_record() noexcept;

namespace thread_detail {
// Of that TLS model because the call that others take costs as much as what it is needed for.
extern thread_local constinit ThreadRecord* mine [[gnu::tls_model("initial-exec")]];
}  // namespace thread_detail

inline ThreadRecord* thread_record() noexcept {
  ThreadRecord* const mine = thread_detail::mine;
  return mine != nullptr ? mine : begin_thread_record();
}

/// Whether a thread is inside of `what`; to be asked after heavy_fence().
bool is_pinned(const void* what) noexcept;

}  // namespace backplane::host
