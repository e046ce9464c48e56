// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "request/backlog.hpp"
#include "request/poller.hpp"
#include "request/reactor.hpp"
#include "request/request_thread.hpp"
#include "request/runner.hpp"
#include "request/task_inbox.hpp"
#include "request/timer_heap.hpp"
#include "sync/adaptive_spin.hpp"
#include "sync/clock.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// How a request thread waits for something to do: it spins, then sleeps, in the reactor while handlers wait for
/// descriptors, else on the poller's descriptor, else on the waker.
class IdleWait {
 public:
  /// `longest_spin`: 0 for none.
  IdleWait(TaskInbox& inbox, Backlog& backlog, Runner& runner, const TimerHeap& timers, Heartbeat& heartbeat,
           Nanos longest_spin)
      : inbox_(inbox),
        backlog_(backlog),
        runner_(runner),
        timers_(timers),
        heartbeat_(heartbeat),
        reactor_(inbox.waker()),
        spin_(longest_spin) {}
  IdleWait(const IdleWait&) = delete;
  IdleWait& operator=(const IdleWait&) = delete;

  /// Any thread; behind bp_poller_set(). False: there was none to take away. The thread then waits for the new one.
  bool set_poller(const bp_poller* poller) {
    const bool was = poller_.set(poller);
    inbox_.send(poller_changed_);
    return was;
  }

  /// The owner, when no call is inside the context: removes a poller that was set after the end of the instances.
  void rest() noexcept {
    if (poller_.any()) set_poller(nullptr);
  }

  // ---- The request thread ----
  /// Returns when something came, a timer is due, or for no reason.
  void wait() BP_REQUIRES(on_request_thread);
  /// Lets the poller and the reactor work without waiting. False: they had nothing to do.
  bool poll() BP_REQUIRES(on_request_thread) {
    bool worked = false;
    if (poller_.any()) {
      const bool busy = !backlog_.queue_empty() || runner_.any_ready() || !backlog_.nothing_new();
      worked |= poller_.look(busy ? BP_POLL_BUSY : 0);
    }
    if (reactor_.waits_for_fds()) worked |= reactor_.poll();
    return worked;
  }
  /// More often follows at once, so the next wait spins for long.
  void expect_more() noexcept BP_REQUIRES(on_request_thread) { spin_.restore(); }
  void drop_poller() noexcept BP_REQUIRES(on_request_thread) {
    poller_.set(nullptr);
    reactor_.unwatch();
  }
  Reactor& reactor() noexcept BP_REQUIRES(on_request_thread) { return reactor_; }

 private:
  void sleep() BP_REQUIRES(on_request_thread);
  bool spin() noexcept BP_REQUIRES(on_request_thread);
  bool spin_on_poller() noexcept BP_REQUIRES(on_request_thread);
  bool nothing_waits() noexcept BP_REQUIRES(on_request_thread) { return backlog_.nothing_new() && inbox_.empty(); }

  TaskInbox& inbox_;
  Backlog& backlog_;
  Runner& runner_;
  const TimerHeap& timers_;
  Heartbeat& heartbeat_;
  PollerSlot poller_;
  Reactor reactor_ BP_GUARDED_BY(on_request_thread);
  AdaptiveSpin spin_ BP_GUARDED_BY(on_request_thread);
  Nanos no_spin_until_ BP_GUARDED_BY(on_request_thread) = 0;
  bool woken_ BP_GUARDED_BY(on_request_thread) = false;  // has not waited since it slept
  ReusableTask poller_changed_{[](void* self) {
                                 on_request_thread.assume();
                                 static_cast<IdleWait*>(self)->reactor_.unwatch();
                               },
                               this};
};

}  // namespace backplane::host
