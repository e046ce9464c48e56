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

/// Counts of one context's events. When no thread is active, emitted = delivered + refused + queued. Events of
/// deliver_now() are not counted.
struct EventCounts {
  std::atomic<std::uint64_t> emitted{0};    ///< emits with valid arguments, with any result
  std::atomic<std::uint64_t> delivered{0};  ///< handed to the listeners, or there were none
  std::atomic<std::uint64_t> refused{0};    ///< the emitter got an overflow, closed or out-of-memory error
};

/// The events of one context. Any thread emits; the event thread delivers in order.
class EventBus {
 public:
  /// `stuck` is called with true when the queue has overflowed, and with false when it has drained to half. Any thread
  /// may call it. `spin`: how long the event thread spins at most before it sleeps.
  EventBus(std::uint32_t capacity, Watchdog& watchdog, std::function<void(bool)> stuck,
           Nanos spin = AdaptiveSpin::usual);

  /// Queues an event. Never waits. Returns BP_OK, BP_OVERFLOW, BP_CLOSED, BP_INVALID_ARGUMENT or BP_OUT_OF_MEMORY. Any
  /// thread.
  bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// Calls the listeners on the calling thread, bypassing the queue.
  void deliver_now(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// The loop of the event thread. Continues when the context is reused. Returns after close(), when all queued events
  /// are delivered.
  void run();
  /// Refuses new events, and waits until all queued events are delivered. Returns false after `timeout`. Does not wake
  /// the event thread if nothing was queued. Not from a listener.
  bool settle(std::chrono::milliseconds timeout) { return queue_.settle(timeout); }
  /// Removes all listeners. Only after settle(), with no call inside.
  void rest() noexcept { listeners_.clear(); }
  /// Resets counts and accepts events again. Only after rest().
  void renew() noexcept;
  /// Makes run() return.
  void close() { queue_.close(); }
  /// Whether the calling thread is the event thread of any context.
  static bool on_any_thread() noexcept;

  Listeners& listeners() noexcept { return listeners_; }
  const EventCounts& counts() const noexcept { return counts_; }
  std::uint32_t queued() const { return queue_.size(); }
  Heartbeat& heartbeat() noexcept { return heartbeat_; }
  /// The listener that occupies the event thread now. Any thread.
  Culprit culprit() { return listeners_.running_on(thread_.load()); }
  /// The listener that occupied the event thread at the last overflow. Only inside `stuck`.
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

  Mutex stuck_mutex_;  // orders the calls of `stuck`; no code outside the host runs under it
  std::atomic<bool> stuck_{false};
  Culprit stuck_culprit_ BP_GUARDED_BY(stuck_mutex_);
};

}  // namespace backplane::host
