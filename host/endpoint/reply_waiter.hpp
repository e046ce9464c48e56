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

/// Waits on one thread for the terminal reply of a call. Lies on this thread's stack.
class ReplyWaiter {
 public:
  /// The replying thread writes to `out` until a wait function has seen the reply.
  explicit ReplyWaiter(bp_result* out) noexcept : out_(out) {}
  ReplyWaiter(const ReplyWaiter&) = delete;
  ReplyWaiter& operator=(const ReplyWaiter&) = delete;

  /// The reply callback of the submission, with this object as `user`.
  static void on_reply(void* user, const bp_answer* answer) noexcept {
    if (answer->status == BP_STALE || answer->status == BP_PARTIAL) return;
    static_cast<ReplyWaiter*>(user)->done(*answer);
  }

  /// Waits for the reply and returns its status. Spins before it sleeps, for calls that are often answered soon.
  bp_status spin_and_sleep() noexcept {
    // One per thread: a thread makes one such call at a time, and its next call probably takes as long as its last.
    thread_local AdaptiveSpin adaptive_spin;
    if (has_woken()) give_way();  // the request thread probably waits for this core
    if (!adaptive_spin.spin([this] { return came(); })) {
      const Nanos begin = now();
      sleep();
      adaptive_spin.slept(now() - begin);
    }
    return status_;
  }

  /// Sleeps until the reply has arrived, or until this time (0: no limit). Returns whether it has arrived.
  bool sleep(Nanos until = 0) noexcept {
    std::uint32_t seen = waiting;
    state_.compare_exchange_strong(seen, asleep, std::memory_order_acquire);
    while (!came()) {
      if (until != 0 && now() >= until) return false;
      futex_wait(state_, asleep, until);
    }
    return true;
  }

  /// The status of the reply, after it has arrived.
  bp_status status() const noexcept { return status_; }

 private:
  static constexpr std::uint32_t waiting = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t answered = 2;

  bool came() const noexcept { return state_.load(std::memory_order_acquire) == answered; }

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
