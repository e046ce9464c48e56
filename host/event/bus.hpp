// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>

#include "event/listeners.hpp"
#include "event/queue.hpp"
#include "sync/mutex.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

/// Of the events of one context. At any quiet moment emitted = delivered + refused + those in the queue.
/// What passes the queue by (deliver_now) is not counted.
struct EventCounts {
  std::atomic<std::uint64_t> emitted{0};    ///< emits with valid arguments, whatever became of them
  std::atomic<std::uint64_t> delivered{0};  ///< handed to the listeners, or nobody listens
  std::atomic<std::uint64_t> refused{0};    ///< to the emitter: overflow, closed, no memory
};

/// The events of one context: emitted anywhere, delivered in order on the event thread.
class EventBus {
 public:
  /// `stuck` is told when the queue has overflowed (true) and when it has drained to half (false), by
  /// whichever thread sees it.
  /// `spin`: for how long the event thread spins at most before it sleeps.
  EventBus(std::uint32_t capacity, Watchdog& watchdog, std::function<void(bool)> stuck,
           Nanos spin = AdaptiveSpin::usual);

  /// Any thread; never waits. BP_OK, BP_OVERFLOW, BP_CLOSED, BP_INVALID_ARGUMENT, BP_OUT_OF_MEMORY.
  bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// Hands an event to the listeners on the calling thread, past the queue.
  void deliver_now(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// The body of the event thread, for any number of lives of the context; returns after close(), when all that was
  /// queued is delivered.
  void run();
  /// Takes no more events, and waits until all that was queued is delivered and the event thread has nothing left to
  /// do; false at the timeout. Costs that thread nothing if nothing was queued. Not from a listener.
  bool settle(std::chrono::milliseconds timeout) { return queue_.settle(timeout); }
  /// After settle(), and with no call inside: lets go of what listened.
  void rest() noexcept { listeners_.clear(); }
  /// After rest(): as new, for another life.
  void renew() noexcept;
  /// Lets run() return.
  void close() { queue_.close(); }
  /// Whether the calling thread is the event thread of any context.
  static bool on_any_thread() noexcept;

  Listeners& listeners() noexcept { return listeners_; }
  const EventCounts& counts() const noexcept { return counts_; }
  std::uint32_t queued() const { return queue_.size(); }
  Heartbeat& heartbeat() noexcept { return heartbeat_; }
  /// Who holds the event thread now. Any thread.
  Culprit culprit() { return listeners_.running_on(thread_.load()); }
  /// Who held it when the queue overflowed last. Within `stuck` only.
  const Culprit& stuck_culprit() const noexcept { return stuck_culprit_; }

 private:
  Watchdog& watchdog_;
  const std::function<void(bool)> tell_stuck_;
  EventQueue queue_;
  Listeners listeners_;
  EventCounts counts_;
  Heartbeat heartbeat_;
  std::atomic<std::thread::id> thread_{};
  void set_stuck(bool stuck);

  Mutex stuck_mutex_;  // orders what is told; nothing outside the host is called under it
  std::atomic<bool> stuck_{false};
  Culprit stuck_culprit_ BP_GUARDED_BY(stuck_mutex_);
};

}  // namespace backplane::host
