// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "request/backlog.hpp"
#include "request/instances.hpp"
#include "request/loop_counts.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "request/streams.hpp"
#include "request/task_inbox.hpp"
#include "request/timer_heap.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// From the answer of a request to its reply callback, and to the end of its record.
///
/// Rules:
///   1. Each request's token is claimed once. The claimer alone fills in the answer.
///   2. Answers from other threads wait in the inbox as plain memory. on_reply runs on the request thread alone, on the
///      thread's own stack (not on a fiber's): in deliver(), and for stale warnings when their timer fires.
///   3. A record is freed when its terminal reply is delivered, its handler has ended and no part is on its way.
class Replies {
 public:
  Replies(const LoopOptions& options, TaskInbox& inbox, Backlog& backlog, TimerHeap& timers, Instances& instances,
          LoopCounts& counts, RunLimits& limits, Heartbeat& heartbeat) noexcept
      : stale_interval_(options.stale_interval),
        inbox_(inbox),
        backlog_(backlog),
        timers_(timers),
        instances_(instances),
        counts_(counts),
        limits_(limits),
        heartbeat_(heartbeat) {}
  Replies(const Replies&) = delete;
  Replies& operator=(const Replies&) = delete;

  // ---- Any thread ----
  /// Answers the request that `token` names, in any context. BP_STALE_TOKEN: it has an answer already.
  static bp_status answer(bp_token token, const bp_answer& answer);
  /// Behind bp_cancel().
  bp_status cancel(Request& request, bp_token token);
  /// The claimer has filled in the answer of the request.
  void answered(Request& request);

  // ---- Request thread ----
  /// The handler replies from where it runs, so its loop cannot go away, and its record need not be looked up.
  bp_status answer_running(Request& request, const bp_answer& answer) noexcept BP_REQUIRES(on_request_thread);
  /// Takes responsibility for a request: from here on it is counted, can be found, and its deadline holds.
  void admit(Request& request) BP_REQUIRES(on_request_thread);
  /// Ends a request for which no handler runs.
  void refuse(Request& request, bp_status status, std::string_view message) BP_REQUIRES(on_request_thread);
  /// Refuses the inline call whose turn it is, for which there is no record.
  void refuse_inline() BP_REQUIRES(on_request_thread);
  /// Ends a request that is not wanted any more, for `cause`: BP_CANCELED or BP_DEADLINE.
  void end_unwanted(Request& request, bp_token token, bp_status cause) BP_REQUIRES(on_request_thread);
  /// From now on the request may take long: stale warnings begin to be due. Not called for a handler that replies
  /// inline, which therefore pays for no clock.
  void watch_time(Request& request) BP_REQUIRES(on_request_thread);
  /// Delivers a terminal reply that was held until the run's environment ended.
  void release_held(Request& request) noexcept BP_REQUIRES(on_request_thread);
  /// No handler runs for the request, or will.
  void end(Request& request) BP_REQUIRES(on_request_thread);
  /// Frees the record, if rule 3 allows it. Call it after what kept the record has gone.
  void release_if_done(Request& request) BP_REQUIRES(on_request_thread);
  /// Delivers what is due in this turn. False: there was nothing.
  bool deliver() BP_REQUIRES(on_request_thread);

  /// The request thread claims a request for itself.
  static bool claim_here(Request& request) noexcept BP_REQUIRES(on_request_thread) {
    return request.quick ? request.claim_owned(request.token()) : request.claim(request.token());
  }

 private:
  static bp_status partial(Request& request, bp_token token, const bp_answer& answer) noexcept;
  bp_status cancel_run(Request& request, bp_token token);
  void deliver_soon(Request& request) noexcept BP_REQUIRES(on_request_thread);
  void deliver_part(Part& part) BP_REQUIRES(on_request_thread);
  void deliver_terminal(Request& request) BP_REQUIRES(on_request_thread);
  void deliver_quickly(Request& request) BP_REQUIRES(on_request_thread);

  // request_timers.cpp
  bool set_timer(Request& request, Nanos stale) noexcept BP_REQUIRES(on_request_thread);
  void on_timer(Request& request) BP_REQUIRES(on_request_thread);

  const Nanos stale_interval_;
  TaskInbox& inbox_;
  Backlog& backlog_;
  TimerHeap& timers_;
  Instances& instances_;
  LoopCounts& counts_;
  RunLimits& limits_;
  Heartbeat& heartbeat_;
  Fifo<Task> deliveries_ BP_GUARDED_BY(on_request_thread);  // Delivery
};

}  // namespace backplane::host
