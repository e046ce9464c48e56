// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "event/listeners.hpp"
#include "event/queue.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane {

struct EventCounts {
  std::atomic<std::uint64_t> emitted{0};
  std::atomic<std::uint64_t> delivered{0};
  std::atomic<std::uint64_t> refused{0};
};

/// The events of one context: emitted anywhere, delivered in order on the event thread.
class EventBus {
 public:
  /// `stuck` is told when the queue has overflowed (true) and when it has drained to half (false), by
  /// whichever thread sees it.
  EventBus(std::uint32_t capacity, Watchdog& watchdog, std::function<void(bool)> stuck);

  /// Any thread; never waits. BP_OK, BP_OVERFLOW, BP_CLOSED, BP_INVALID_ARGUMENT, BP_OUT_OF_MEMORY.
  bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// Hands an event to the listeners on the calling thread, past the queue.
  void deliver_now(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// The body of the event thread; returns after close(), when all that was queued is delivered.
  void run();
  void close() { queue_.close(); }
  /// After run() has returned, and with no call inside: lets go of what listened.
  void rest() noexcept { listeners_.clear(); }
  /// After rest(): as new, for another run().
  void renew() noexcept;
  /// Whether the calling thread is the event thread of any context.
  static bool on_any_thread() noexcept;

  Listeners& listeners() noexcept { return listeners_; }
  const EventCounts& counts() const noexcept { return counts_; }
  std::uint32_t queued() { return queue_.size(); }
  Heartbeat& heartbeat() noexcept { return heartbeat_; }

 private:
  Watchdog& watchdog_;
  const std::function<void(bool)> tell_stuck_;
  EventQueue queue_;
  Listeners listeners_;
  EventCounts counts_;
  Heartbeat heartbeat_;
  void set_stuck(bool stuck);

  std::mutex stuck_mutex_;  // orders what is told; nothing outside the host is called under it
  std::atomic<bool> stuck_{false};
};

}  // namespace backplane
