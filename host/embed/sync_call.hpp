// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>

#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/adaptive_spin.hpp"
#include "sync/clock.hpp"
#include "sync/futex.hpp"
#include "sync/woken.hpp"

namespace backplane::host {

/// The caller of bp_call_sync, who waits for the one terminal reply; on its stack.
class SyncCall {
 public:
  /// `out` is the caller's, and the request thread's to fill until wait() returns.
  explicit SyncCall(bp_result* out) noexcept : out_(out) {}
  SyncCall(const SyncCall&) = delete;
  SyncCall& operator=(const SyncCall&) = delete;

  /// The submission's, with this as `user`.
  static void on_reply(void* user, const bp_answer* answer) noexcept {
    if (answer->status == BP_STALE || answer->status == BP_PARTIAL) return;
    static_cast<SyncCall*>(user)->done(*answer);
  }

  /// The reply's status, once it is there.
  bp_status wait() noexcept {
    // The thread's own: it makes one such call at a time, and what it calls next is like what it called last.
    thread_local AdaptiveSpin patience;
    const auto came = [this] { return state_.load(std::memory_order_acquire) == answered; };
    if (has_woken()) give_way();  // to the request thread, which most likely waits for this core
    if (!patience.spin(came)) {
      const Nanos begin = now();
      std::uint32_t seen = waiting;
      if (state_.compare_exchange_strong(seen, asleep, std::memory_order_acquire)) {
        while (!came()) futex_wait(state_, asleep);
      }
      patience.slept(now() - begin);
    }
    return status_;
  }

 private:
  static constexpr std::uint32_t waiting = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t answered = 2;

  // With the exchange the caller may go, and this with it: after that, only its address is used.
  void done(const bp_answer& answer) noexcept {
    status_ = set_result(out_, answer.status, view(answer.payload), view(answer.message), view(answer.detail));
    std::atomic<std::uint32_t>* const state = &state_;
    if (state->exchange(answered, std::memory_order_acq_rel) == asleep) futex_wake_one(state);
  }

  bp_result* const out_;
  bp_status status_ = BP_OK;
  std::atomic<std::uint32_t> state_{waiting};
};

}  // namespace backplane::host
