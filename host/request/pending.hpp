// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "modules/registry.hpp"
#include "request/backlog.hpp"
#include "request/functions.hpp"
#include "request/instances.hpp"
#include "request/loop_counts.hpp"
#include "request/record.hpp"
#include "request/request_thread.hpp"
#include "request/runner.hpp"
#include "request/task_inbox.hpp"
#include "request/timer_heap.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// The calls of host functions that await their completion by token, and the application's host functions.
class PendingTable {
 public:
  PendingTable(RequestThread& thread, const Registry& registry, TaskInbox& inbox, Runner& runner, TimerHeap& timers,
               Instances& instances, LoopCounts& counts, Heartbeat& heartbeat) noexcept
      : thread_(thread),
        registry_(registry),
        inbox_(inbox),
        runner_(runner),
        timers_(timers),
        instances_(instances),
        counts_(counts),
        heartbeat_(heartbeat) {}
  PendingTable(const PendingTable&) = delete;
  PendingTable& operator=(const PendingTable&) = delete;
  ~PendingTable() {
    on_request_thread.assume();  // it has ended
    free_spares();
  }

  /// The handle that host functions are given; before the request thread runs.
  void set_context(bp_context context) noexcept { context_ = context; }

  // ---- Any thread ----
  Functions& functions() noexcept { return functions_; }
  /// Completes the call that `token` names, if it is of the context `only` (null: of any). BP_STALE_TOKEN: it is not,
  /// or it is completed already.
  static bp_status answer(bp_token token, const bp_answer& answer, const RequestThread* only);

  // ---- Request thread ----
  /// A record, linked and with a fresh token. Null if memory cannot be had.
  Pending* add() noexcept BP_REQUIRES(on_request_thread);
  /// Takes a record out that is claimed or was never armed.
  void free(Pending& pending) BP_REQUIRES(on_request_thread);
  /// Claims a call whose answer is not wanted any more, and takes it out. If it is claimed already, its answer is in
  /// the inbox and takes it out.
  void give_up(Pending& pending) BP_REQUIRES(on_request_thread);
  /// Calls the application's function of that name, else a module's. It may answer at once. Not BP_OK, and `why`, if
  /// there is neither. `caller` has the handler that calls; `timeout_ms` is the call's own, or 0.
  bp_status invoke(Pending& pending, const Request& caller, std::string_view name, bp_bytes payload,
                   std::uint64_t timeout_ms, std::string& why) BP_REQUIRES(on_request_thread);
  /// The bound of a call with a callback. False: no memory.
  bool set_deadline(Pending& pending, Nanos deadline) BP_REQUIRES(on_request_thread);
  /// Fails all that are open with BP_CANCELED and `message`.
  void fail_all(std::string_view message) BP_REQUIRES(on_request_thread);
  bool none_open() const noexcept BP_REQUIRES(on_request_thread) { return open_ == nullptr; }
  void free_spares() noexcept BP_REQUIRES(on_request_thread);

 private:
  void ask(const Functions::Function& function, bp_token token, std::string_view name, bp_bytes payload,
           std::uint64_t timeout_ms, Nanos deadline) BP_REQUIRES(on_request_thread);
  void unask(std::uint64_t function, bp_token token) noexcept BP_REQUIRES(on_request_thread);
  void send(Pending& pending) noexcept;
  void fail_callback(Pending& pending, bp_status status, std::string_view message) BP_REQUIRES(on_request_thread);
  void answered(Pending& pending) BP_REQUIRES(on_request_thread);

  RequestThread& thread_;
  const Registry& registry_;
  TaskInbox& inbox_;
  Runner& runner_;
  TimerHeap& timers_;
  Instances& instances_;
  LoopCounts& counts_;
  Heartbeat& heartbeat_;
  bp_context context_{};
  Functions functions_;
  Pending* open_ BP_GUARDED_BY(on_request_thread) = nullptr;
  Pending* spares_ BP_GUARDED_BY(on_request_thread) = nullptr;
  std::size_t spare_count_ BP_GUARDED_BY(on_request_thread) = 0;
};

}  // namespace backplane::host
