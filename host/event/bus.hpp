// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "event/event_log.hpp"
#include "event/listeners.hpp"
#include "event/lossless_listeners.hpp"
#include "sync/mutex.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

/// Counts of one context's events. When no thread is active, emitted = delivered + lost + refused + queued. Events of
/// deliver_now() are not counted.
struct EventCounts {
  std::uint64_t emitted = 0;           ///< emits with valid arguments, with any result
  std::uint64_t delivered = 0;         ///< handed to the listeners by the event thread, or there were none
  std::uint64_t lost = 0;              ///< dropped from the log before the event thread had read them
  std::uint64_t refused = 0;           ///< the emitter got an overflow, closed or out-of-memory error
  std::uint64_t patterns_refused = 0;  ///< listeners with a pattern too many
  std::uint64_t blocked = 0;           ///< tries of emitters that found no room; they are not in `emitted`
  std::uint64_t given_up = 0;          ///< lossless listeners that have stalled
};

/// The events of one context. Any thread emits. The event thread delivers in order, to all listeners but those that
/// have a thread of their own.
class EventBus {
 public:
  /// What the bus tells its owner, on any thread.
  struct Owner {
    /// Only if the log refuses: with true when it is full, and with false when it has drained to half.
    std::function<void(bool)> stuck;
    /// Emitters that wait may try again: see LosslessListeners::TellRoom.
    LosslessListeners::TellRoom room;
  };
  /// `stall`: when a lossless listener that takes nothing is given up. `spin`: how long a reading thread spins at most
  /// before it sleeps.
  EventBus(const EventLogOptions& options, Watchdog& watchdog, Owner owner, Nanos stall,
           Nanos spin = AdaptiveSpin::usual);
  ~EventBus();

  /// Appends an event to the log. Never waits. Returns BP_OK, BP_OVERFLOW, BP_CLOSED, BP_INVALID_ARGUMENT or
  /// BP_OUT_OF_MEMORY. Any thread.
  bp_status emit(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// The same, but appends it only if no lossless listener can lose it. Else BP_WOULD_BLOCK, and `attempt` says what
  /// the emitter has to wait for. The stall of such a listener is noticed only at a further try.
  bp_status emit_lossless(std::string_view name, bp_bytes payload, std::uint32_t flags, EmitTry& attempt);
  /// Of an emitter that waits, and of one that waits no more: see LosslessListeners.
  void waits(const EmitTry& attempt) { lossless_.waits(attempt); }
  void leave(EmitTry& attempt) noexcept { lossless_.leave(attempt); }
  /// A lossless listener is done with so many bytes. BP_OK, BP_INVALID_HANDLE or BP_INVALID_ARGUMENT. Any thread.
  bp_status credit(std::uint64_t listener, std::uint64_t bytes);

  /// Calls the listeners on the calling thread, bypassing the log.
  void deliver_now(std::string_view name, bp_bytes payload, std::uint32_t flags);
  /// The same, but not to listeners of the pattern "*": they asked for events, and not for news of the host.
  void tell_now(std::string_view name, bp_bytes payload, std::uint32_t flags);

  /// Adds a listener, for events from now on. Returns its id. Throws std::bad_alloc, std::system_error or
  /// PatternTable::Full, and then nothing has changed. Any thread.
  std::uint64_t listen(const Subscription& subscription);
  /// Removes a listener as Listeners::remove().
  bool unlisten(std::uint64_t id);

  /// The loop of the event thread. Continues when the context is reused. Returns after close(), when all events are
  /// delivered.
  void run();
  /// Refuses new events, and waits until all events are delivered. Returns false after `timeout`. Does not wake the
  /// event thread if there was none. Not from a listener.
  bool settle(std::chrono::milliseconds timeout);
  /// Removes all listeners. Only after settle(), with no call inside.
  void rest() noexcept;
  /// Resets counts and accepts events again. Only after rest().
  void renew() noexcept;
  /// Makes run() return.
  void close() noexcept { log_.close(); }
  /// Whether the calling thread delivers the events of any context.
  static bool on_any_thread() noexcept;

  EventCounts counts() const noexcept;
  /// Events that the event thread has still to deliver, or to find lost.
  std::uint64_t queued() const noexcept {
    const std::uint64_t position = reader_.position();  // first, so that the difference is not negative
    return log_.end() - position;
  }
  std::size_t listeners() const noexcept { return listeners_.count(); }
  /// `behind`: events that its callback has not been given yet, nor lost.
  struct ListenerReport : Listeners::Report {
    std::uint64_t behind;
    LosslessListeners::Report lossless;
  };
  /// At most this many: those that are furthest behind or have lost most, by id.
  std::vector<ListenerReport> report(std::size_t most = SIZE_MAX);

  Heartbeat& heartbeat() noexcept { return heartbeat_; }
  /// The listener that occupies the event thread now. Any thread.
  Culprit culprit() { return listeners_.running_on(thread_.load()); }
  /// The listener that held up the log at the last overflow: on the event thread, or on a thread of its own. Only
  /// inside `stuck`.
  const Culprit& stuck_culprit() const noexcept { return stuck_culprit_; }

 private:
  struct OwnThread;

  bp_status result_of(EventLog::Put put, std::string_view name, std::size_t size);
  void tell_given_up(std::uint64_t id);
  void set_stuck(bool stuck);
  Culprit who_is_behind();
  void look_if_still_stuck();
  void tell_too_large(std::string_view name, std::size_t size) noexcept;
  void run_own(OwnThread& own);
  void listen_on_own_thread(std::uint64_t id, std::unique_ptr<OwnThread> own);
  void join_ended() BP_REQUIRES(own_mutex_);
  bool end_own_threads(std::chrono::steady_clock::time_point until);

  const EventLogOptions options_;
  const Nanos spin_;
  Watchdog& watchdog_;
  const Owner owner_;
  EventLog log_;
  EventLog::Reader reader_;  // of the event thread
  LosslessListeners lossless_;
  Listeners listeners_;
  // Emitted events in the log are counted by their positions.
  alignas(64) std::atomic<std::uint64_t> unheard_{0};  // no listener's pattern matched
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> patterns_refused_{0};
  std::atomic<std::uint64_t> blocked_{0};
  std::atomic<std::uint64_t> given_up_{0};
  std::atomic<std::uint64_t> begin_{0};              // the log's end when the counts began
  alignas(64) std::atomic<std::uint64_t> given_{0};  // the event thread's, in a cache line of its own
  std::atomic<std::uint64_t> lost_{0};
  Heartbeat heartbeat_;
  std::atomic<std::thread::id> thread_{};
  std::atomic<Nanos> told_too_large_{0};  // when; 0: not yet

  Mutex own_mutex_;
  Condition own_ended_;
  std::map<std::uint64_t, std::unique_ptr<OwnThread>> own_threads_ BP_GUARDED_BY(own_mutex_);  // by listener

  Mutex stuck_mutex_;  // orders the calls of `stuck`; no code outside the host runs under it
  std::atomic<bool> stuck_{false};
  Culprit stuck_culprit_ BP_GUARDED_BY(stuck_mutex_);
};

}  // namespace backplane::host
