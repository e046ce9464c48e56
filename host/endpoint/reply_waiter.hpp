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

/// A thread that waits for the one terminal reply of a call; on its stack.
class ReplyWaiter {
 public:
  /// `out` is the caller's, and the replying thread's to fill until a wait has seen the reply.
  explicit ReplyWaiter(bp_result* out) noexcept : out_(out) {}
  ReplyWaiter(const ReplyWaiter&) = delete;
  ReplyWaiter& operator=(const ReplyWaiter&) = delete;

  /// The reply callback of the submission, with this object as `user`.
  static void on_reply(void* user, const bp_answer* answer) noexcept {
    if (answer->status == BP_STALE || answer->status == BP_PARTIAL) return;
    static_cast<ReplyWaiter*>(user)->done(*answer);
  }

  /// The reply's status, once it is there. Spins before it sleeps: for calls that are often answered soon.
  bp_status spin_and_sleep() noexcept {
    // The thread's own: it makes one such call at a time, and what it calls next is like what it called last.
    thread_local AdaptiveSpin adaptive_spin;
    if (has_woken()) give_way();  // to the request thread, which most likely waits for this core
    if (!adaptive_spin.spin([this] { return came(); })) {
      const Nanos begin = now();
      sleep();
      adaptive_spin.slept(now() - begin);
    }
    return status_;
  }

  /// Sleeps until the reply is there, or until that point of time (0: no bound). Whether it is there.
  bool sleep(Nanos until = 0) noexcept {
    std::uint32_t seen = waiting;
    state_.compare_exchange_strong(seen, asleep, std::memory_order_acquire);
    while (!came()) {
      if (until != 0 && now() >= until) return false;
      futex_wait(state_, asleep, until);
    }
    return true;
  }

  /// The reply's status. Only once it is there.
  bp_status status() const noexcept { return status_; }

 private:
  static constexpr std::uint32_t waiting = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t answered = 2;

  bool came() const noexcept { return state_.load(std::memory_order_acquire) == answered; }

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
