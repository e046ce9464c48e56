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

/// One bp_call_sync, on the caller's stack. Waits for the terminal reply.
class SyncCall {
 public:
  /// The request thread writes to `out` until wait() returns.
  explicit SyncCall(bp_result* out) noexcept : out_(out) {}
  SyncCall(const SyncCall&) = delete;
  SyncCall& operator=(const SyncCall&) = delete;

  /// The reply callback of the submission, with this object as `user`.
  static void on_reply(void* user, const bp_answer* answer) noexcept {
    if (answer->status == BP_STALE || answer->status == BP_PARTIAL) return;
    static_cast<SyncCall*>(user)->done(*answer);
  }

  /// Waits for the reply, and returns its status.
  bp_status wait() noexcept {
    // One per thread: a thread makes one such call at a time, and its next call probably takes as long as its last.
    thread_local AdaptiveSpin patience;
    const auto came = [this] { return state_.load(std::memory_order_acquire) == answered; };
    if (has_woken()) give_way();  // the request thread probably waits for this core
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

  // After the exchange, the caller may return and destroy this object. So use only the address after it.
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
