// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "modules/registry.hpp"
#include "request/backlog.hpp"
#include "request/cpu_warning.hpp"
#include "request/held_calls.hpp"
#include "request/instances.hpp"
#include "request/method_cache.hpp"
#include "request/record.hpp"
#include "request/replies.hpp"
#include "request/request_thread.hpp"
#include "request/run_limits.hpp"
#include "request/runner.hpp"
#include "request/stop_state.hpp"
#include "request/task_inbox.hpp"
#include "request/waiting_calls.hpp"
#include "request/workers.hpp"
#include "support/ticks.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// From a request whose turn it is to the return of its handler: on a fiber of the request thread, or on a worker
/// thread if the handler is declared blocking.
class Dispatcher {
 public:
  Dispatcher(const LoopOptions& options, TaskInbox& inbox, const StopState& stop, Backlog& backlog, Runner& runner,
             Instances& instances, MethodCache& methods, Replies& replies, Workers& workers, RunLimits& limits,
             Heartbeat& heartbeat) noexcept
      : cpu_warning_(options.cpu_warning),
        inbox_(inbox),
        stop_(stop),
        backlog_(backlog),
        runner_(runner),
        instances_(instances),
        methods_(methods),
        replies_(replies),
        workers_(workers),
        limits_(limits),
        heartbeat_(heartbeat),
        held_(options.queue_depth) {}
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  void begin_turn() noexcept BP_REQUIRES(on_request_thread) {
    budget_ = requests_per_turn;
    resumes_ = resumes_per_turn;
    turn_began_ = 0;
  }
  /// A suspended fiber that is to go on; null if there is none, or this turn has resumed enough.
  Fiber* next_ready() noexcept BP_REQUIRES(on_request_thread) {
    if (resumes_ <= 0) return nullptr;
    --resumes_;
    return runner_.pop_ready();
  }
  /// The request to handle next; null if there is none, or this turn has begun enough.
  Request* next_new() noexcept BP_REQUIRES(on_request_thread);
  /// Handles the request on an idle fiber and, on the same fiber, what is next after it. Returns a request whose
  /// handler has suspended; null if none has.
  Request* run(Request& request) BP_REQUIRES(on_request_thread);

  /// What each fiber runs; `dispatcher` is one of these.
  static void fiber_body(Fiber& self, void* dispatcher) noexcept;
  /// The same for a fiber whose stack has the size of one handler: it runs no other request after it.
  static void sized_fiber_body(Fiber& self, void* dispatcher) noexcept;

  /// The blocking handler of a request waits, and its worker thread is free for another; or it goes on.
  void worker_waits(const Request& request) BP_REQUIRES(on_request_thread);
  void worker_goes_on(const Request& request) noexcept BP_REQUIRES(on_request_thread);

  /// Calls that were held may go, if their modules are not held any more.
  void look_at_held() noexcept BP_REQUIRES(on_request_thread) { held_.look(); }
  /// All calls are canceled: the held ones end here.
  void end_held() noexcept BP_REQUIRES(on_request_thread);

 private:
  // Requests begun in one turn: enough to make the other stages cheap per request, few enough that replies do not wait
  // long for the handlers behind them.
  static constexpr int requests_per_turn = 64;
  // New requests and the poller do not wait for more fibers than this.
  static constexpr int resumes_per_turn = 256;
  // While calls of sources wait, a turn begins nothing new after this time, and their sockets are looked at.
  static constexpr Nanos longest_turn = 50'000;

  Request* next() noexcept BP_REQUIRES(on_request_thread);
  void handle(Request& request) BP_REQUIRES(on_request_thread);
  bool is_usual(Request& request) BP_REQUIRES(on_request_thread);
  void begin(Request& request, const MethodCache::Entry& entry) BP_REQUIRES(on_request_thread);
  void find_handler(Request& request, const Generation* running) BP_REQUIRES(on_request_thread);
  bool hold(Request& request, const Generation*& running) BP_REQUIRES(on_request_thread);
  void refuse_full(Request& request, const CallStats* stats) BP_REQUIRES(on_request_thread);
  void run_here(Request& request) BP_REQUIRES(on_request_thread);
  void run_on_this_stack(Request& request) BP_REQUIRES(on_request_thread);
  void run_on_sized_stack(Request& request) BP_REQUIRES(on_request_thread);
  void refuse_without_stack(Request& request) BP_REQUIRES(on_request_thread);
  void handler_ended(Request& request, bool later) BP_REQUIRES(on_request_thread);

  // blocking_handlers.cpp
  void run_on_worker(Request& request) BP_REQUIRES(on_request_thread);
  static bool caller_holds(const Request& request) noexcept BP_REQUIRES(on_request_thread);
  bool wait_for_worker(Request& request) BP_REQUIRES(on_request_thread);
  struct OfModule;
  bool start_worker(Request& request, OfModule& all, bool waited) BP_REQUIRES(on_request_thread);
  void start_workers(const Module& module, OfModule& all) BP_REQUIRES(on_request_thread);
  void leave_worker(const Module& module) BP_REQUIRES(on_request_thread);
  void worker_returned(Request& request) BP_REQUIRES(on_request_thread);
  void give_to_next(bp_instance& instance) BP_REQUIRES(on_request_thread);

  CpuWarning cpu_warning_ BP_GUARDED_BY(on_request_thread);
  TaskInbox& inbox_;
  const StopState& stop_;
  Backlog& backlog_;
  Runner& runner_;
  Instances& instances_;
  MethodCache& methods_;
  Replies& replies_;
  Workers& workers_;
  RunLimits& limits_;
  Heartbeat& heartbeat_;
  Request* given_ BP_GUARDED_BY(on_request_thread) = nullptr;  // for the fiber that is resumed with it
  int budget_ BP_GUARDED_BY(on_request_thread) = 0;            // requests that this turn may still begin
  int resumes_ BP_GUARDED_BY(on_request_thread) = 0;           // fibers that this turn may still resume
  Ticks turn_began_ BP_GUARDED_BY(on_request_thread) = 0;      // if it is watched; else 0
  // The blocking requests of one module that wait for a worker thread, and how many have one.
  struct OfModule {
    WaitingCalls waiting;
    std::size_t on_workers = 0;
  };
  std::unordered_map<const Module*, OfModule> for_worker_ BP_GUARDED_BY(on_request_thread);
  // Serial blocking requests that wait for their instance.
  std::unordered_map<const bp_instance*, WaitingCalls> for_instance_ BP_GUARDED_BY(on_request_thread);
  HeldCalls held_;
};

}  // namespace backplane::host
