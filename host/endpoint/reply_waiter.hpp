// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include "support/result.hpp"
#include "support/views.hpp"
#include "sync/adaptive_spin.hpp"
#include "sync/clock.hpp"
#include "sync/latch.hpp"
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
    if (!adaptive_spin.spin([this] { return replied_.is_open(); })) {
      const Nanos begin = now();
      sleep();
      adaptive_spin.slept(now() - begin);
    }
    return status_;
  }

  /// Sleeps until the reply has arrived, or until this time (0: no limit). Returns whether it has arrived.
  bool sleep(Nanos until = 0) noexcept { return replied_.wait_until(until); }

  /// The status of the reply, after it has arrived.
  bp_status status() const noexcept { return status_; }

 private:
  // The caller may return and destroy this object as soon as the latch is open.
  void done(const bp_answer& answer) noexcept {
    status_ = set_result(out_, answer.status, view(answer.payload), view(answer.message), view(answer.detail));
    replied_.open();
  }

  bp_result* const out_;
  bp_status status_ = BP_OK;
  Latch replied_;
};

}  // namespace backplane::host
