// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "modules/registry.hpp"
#include "request/backlog.hpp"
#include "request/idle_wait.hpp"
#include "request/pending.hpp"
#include "request/record.hpp"
#include "request/replies.hpp"
#include "request/request_thread.hpp"
#include "request/run_limits.hpp"
#include "request/runner.hpp"
#include "request/streams.hpp"
#include "request/task_inbox.hpp"
#include "request/timer_heap.hpp"
#include "request/waiting_emitters.hpp"
#include "request/workers.hpp"

namespace backplane::host {

/// The waits of handlers. A fiber suspends; a worker thread blocks, and the request thread does the rest for both.
class Waits {
 public:
  Waits(const Registry& registry, TaskInbox& inbox, Backlog& backlog, Runner& runner, TimerHeap& timers,
        Streams& streams, WaitingEmitters& emitters, Replies& replies, PendingTable& pending, IdleWait& idle_wait,
        Workers& workers, RunLimits& limits) noexcept
      : registry_(registry),
        inbox_(inbox),
        backlog_(backlog),
        runner_(runner),
        timers_(timers),
        streams_(streams),
        emitters_(emitters),
        replies_(replies),
        pending_(pending),
        idle_wait_(idle_wait),
        workers_(workers),
        limits_(limits) {}
  Waits(const Waits&) = delete;
  Waits& operator=(const Waits&) = delete;

  // ---- The thread that runs the handler; each returns when the wait is over, and `waiter` has the answer ----
  void sleep(Waiter& waiter, std::uint64_t ms);
  void call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms);
  void host_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms);
  void fd(Waiter& waiter, int fd, std::uint32_t events, std::uint64_t timeout_ms);
  /// Until a partial reply of `size` bytes may be sent, and until the next part of the request has come.
  void room(Waiter& waiter, std::uint64_t size, std::uint64_t timeout_ms);
  void part(Waiter& waiter, std::uint64_t timeout_ms);
  /// Until there may be room for the event of this try.
  void listeners(Waiter& waiter, const EmitTry& attempt, std::uint64_t timeout_ms);

  // ---- Request thread ----
  /// Calls a host function for a handler and does not wait: `on_answer` gets the answer later. Not BP_OK: it does not.
  bp_status start_host_call(Request& caller, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms,
                            bp_host_answer_fn on_answer, void* user) BP_REQUIRES(on_request_thread);

  /// BP_OK, or why the request, or the fiber of it that asks, is not wanted any more. The thread that runs the handler.
  static bp_status wanted(const Request& request) noexcept;

 private:
  template <class Start>
  void await(Waiter& waiter, Start start);
  void wake_worker(Waiter& waiter) BP_REQUIRES(on_request_thread);
  void sleep_until_done(Waiter& waiter, bool last);
  bool has_not_begun(const Request& call) BP_REQUIRES(on_request_thread);
  void refuse_without_thread(Waiter& waiter) BP_REQUIRES(on_request_thread);
  void complete(Waiter& waiter) BP_REQUIRES(on_request_thread);
  void drop_operations(Waiter& waiter) BP_REQUIRES(on_request_thread);
  bool set_timer(Waiter& waiter, std::uint64_t ms, bp_status meaning) BP_REQUIRES(on_request_thread);
  void begin_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms)
      BP_REQUIRES(on_request_thread);
  void begin_host_call(Waiter& waiter, std::string_view name, bp_bytes payload, std::uint64_t timeout_ms)
      BP_REQUIRES(on_request_thread);
  void begin_fd(Waiter& waiter, int fd, std::uint32_t events, std::uint64_t timeout_ms) BP_REQUIRES(on_request_thread);

  const Registry& registry_;
  TaskInbox& inbox_;
  Backlog& backlog_;
  Runner& runner_;
  TimerHeap& timers_;
  Streams& streams_;
  WaitingEmitters& emitters_;
  Replies& replies_;
  PendingTable& pending_;
  IdleWait& idle_wait_;
  Workers& workers_;
  RunLimits& limits_;
};

}  // namespace backplane::host
