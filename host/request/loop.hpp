// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "modules/registry.hpp"
#include "request/backlog.hpp"
#include "request/dispatcher.hpp"
#include "request/functions.hpp"
#include "request/idle_wait.hpp"
#include "request/instances.hpp"
#include "request/loop_counts.hpp"
#include "request/method_cache.hpp"
#include "request/oldest_call.hpp"
#include "request/pending.hpp"
#include "request/replies.hpp"
#include "request/request_thread.hpp"
#include "request/run_limits.hpp"
#include "request/runner.hpp"
#include "request/source.hpp"
#include "request/stop_state.hpp"
#include "request/streams.hpp"
#include "request/task_inbox.hpp"
#include "request/timer_heap.hpp"
#include "request/waiting_emitters.hpp"
#include "request/waits.hpp"
#include "request/workers.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

/// The request thread of one context: takes requests, runs handlers on fibers, delivers replies. It owns the parts that
/// do so, calls them in turn(), and conducts the steps of a stop. What each part does stands in its header; the parts
/// include each other in the order of the members below, and none includes this file.
///
///     submit ─► backlog ─► dispatcher ─► replies ─► on_reply
///     reply, complete, cancel ─► inbox ─► take_tasks ─┘ (resumes fibers)
class RequestLoop {
 public:
  using Milliseconds = StopState::Milliseconds;

  /// Throws std::system_error or std::bad_alloc. `host` is what instances belong to.
  RequestLoop(const LoopOptions& options, const Registry& registry, Workers& workers, Watchdog& watchdog,
              InstanceHost& host);
  RequestLoop(const RequestLoop&) = delete;
  RequestLoop& operator=(const RequestLoop&) = delete;
  ~RequestLoop();

  /// The handle that host functions are given; before run().
  void set_context(bp_context context) noexcept { pending_.set_context(context); }

  /// The body of the request thread, for any number of lives of the context. Returns after finish().
  void run();

  // ---- Any thread ----
  /// Behind bp_submit().
  bp_status submit(const bp_submission& submission, bp_request* request) {
    return backlog_.submit(submission, request);
  }
  /// Behind bp_complete().
  bp_status complete(bp_token token, const bp_answer& answer);
  /// Behind bp_cancel().
  bp_status cancel(bp_request request);
  /// Behind bp_request_credit() and bp_request_part().
  bp_status credit(bp_request request, std::uint64_t bytes);
  bp_status send_part(bp_request request, bp_bytes payload, std::uint32_t flags);
  Sources& sources() noexcept { return sources_; }
  WaitingEmitters& emitters() noexcept { return emitters_; }
  /// From now on submit() refuses. Also when closed already.
  void close() noexcept {
    backlog_.close();
    stop_.close();
  }
  bool closed() const noexcept { return stop_.phase() != Phase::open; }
  /// While true, new requests get BP_EVENT_QUEUE_STUCK.
  void refuse_for_events(bool refuse) noexcept { backlog_.refuse_for_events(refuse); }
  bool on_thread() const noexcept { return RequestThread::current == &thread_; }
  Functions& functions() noexcept { return pending_.functions(); }
  /// Behind bp_poller_set(). False: there was none to take away.
  bool set_poller(const bp_poller* poller) { return idle_wait_.set_poller(poller); }
  /// Runs `task` on the request thread. False if memory cannot be had.
  template <class F>
  bool post(F task) {
    return inbox_.post(std::move(task));
  }
  const LoopCounts& counts() const noexcept { return counts_; }
  std::uint64_t waiting() const noexcept { return backlog_.waiting(); }
  /// Asks for the oldest call. Null if there is none, or no memory to ask.
  std::shared_ptr<OldestCallQuery> ask_oldest_call();
  Heartbeat& heartbeat() noexcept { return heartbeat_; }
  /// For the control thread.
  Instances& instances() noexcept { return instances_; }

  /// Lets calls go whose module is not held any more. Any thread, while the context is attached.
  void release_held() noexcept {
    inbox_.send(release_);
    inbox_.mark_unsettled();
  }

  // ---- The owner: the steps of a stop, in this order, in each life of the context. See StopState. ----
  /// After close(): as soon as nothing is open, all instances end. The next and end_instances() wait for that.
  void end_when_idle() noexcept { stop_.end_when_idle(); }
  /// After close(): waits until nothing is open. False at the timeout.
  bool wait_until_idle(Milliseconds timeout) { return stop_.wait_until_idle(timeout); }
  /// After close(): fails every token, then ends every request with BP_CANCELED.
  void cancel_all() noexcept {
    stop_.cancel_all();
    inbox_.send(cancel_);
    inbox_.mark_unsettled();
  }
  /// Waits until every instance has ended, and what the next life need not find is given back. False at the timeout.
  /// Nothing may be open.
  bool end_instances(Milliseconds timeout) { return stop_.wait_for_instances(timeout); }
  /// After end_instances(), when no thread posts any more: waits until the request thread has nothing left to do. False
  /// at the timeout.
  bool settle(Milliseconds timeout) { return stop_.settle(timeout); }
  /// After settle(), and with no call inside: drops what the application gave.
  void rest() noexcept {
    functions().clear();
    sources_.clear();
    idle_wait_.rest();
  }
  /// After rest(): as new, for another life.
  void renew() noexcept;
  /// Lets run() return. Nothing may be open, and no instance be there.
  void finish() noexcept { stop_.finish(); }

 private:
  Request* find(bp_request handle) const noexcept;

  // The stages of a turn, and the steps of a stop that use several parts.
  bool turn() BP_REQUIRES(on_request_thread);
  bool take_tasks() BP_REQUIRES(on_request_thread);
  bool take_ingress() BP_REQUIRES(on_request_thread);
  bool fire_timers() BP_REQUIRES(on_request_thread);
  bool run_handlers() BP_REQUIRES(on_request_thread);
  void wait() BP_REQUIRES(on_request_thread);
  void cancel_open() BP_REQUIRES(on_request_thread);
  void go_on_stopping() BP_REQUIRES(on_request_thread);
  void end_all_instances() BP_REQUIRES(on_request_thread);
  void give_back() noexcept BP_REQUIRES(on_request_thread);

  Watchdog& watchdog_;
  RequestThread thread_;
  TaskInbox inbox_;
  StopState stop_;
  Sources sources_;
  Streams streams_;
  WaitingEmitters emitters_;
  alignas(64) LoopCounts counts_;
  Heartbeat heartbeat_;
  TimerHeap timers_;
  MethodCache methods_;
  RunLimits limits_;
  Backlog backlog_;
  Runner runner_;
  IdleWait idle_wait_;
  Instances instances_;
  Replies replies_;
  PendingTable pending_;
  Waits waits_;
  Dispatcher dispatcher_;
  // A task, so that what was sent before it has been applied, and what is sent after it has not.
  ReusableTask cancel_{[](void* self) {
                         on_request_thread.assume();
                         auto& loop = *static_cast<RequestLoop*>(self);
                         if (loop.stop_.begin_cancel()) loop.cancel_open();
                       },
                       this};
  ReusableTask release_{[](void* self) {
                          on_request_thread.assume();
                          static_cast<RequestLoop*>(self)->dispatcher_.look_at_held();
                        },
                        this};
};

}  // namespace backplane::host
