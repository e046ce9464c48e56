// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "event/event_log.hpp"
#include "event/lossless_listeners.hpp"
#include "sync/mutex.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// What a listener asks for.
struct Subscription {
  std::string_view pattern;  ///< valid
  bp_event_fn on_event = nullptr;
  void* user = nullptr;
  std::string_view label;   ///< for the status: whose it is
  bool own_thread = false;  ///< not called by call() and tell_gap() for the event thread
  bool lossless = false;    ///< emitters may wait for it
  LosslessListeners::Options lossless_options{};
};

/// The listeners of one context. Callbacks run with no lock held. Removing a listener waits until its callback has
/// returned, except inside this callback, and if the wait would never end.
///
/// Adding, removing and finding one costs the same however many there are; an event costs its own listeners only.
class Listeners {
 public:
  Listeners() = default;
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;
  ~Listeners() { clear(); }

  /// Adds a listener and returns its id. Ids start at 1 and grow. `start` returns an EventLog::Start; it runs when
  /// nothing but std::bad_alloc can fail any more, and before an event can find the listener. If that fails after it,
  /// `undo` runs. Throws what `start` throws, or std::bad_alloc. Any thread, also in a callback.
  template <class StartAt, class Undo>
  std::uint64_t add(const Subscription& subscription, StartAt start, Undo undo) {
    std::shared_ptr<Listener> listener = make(subscription);
    const MutexLock lock(mutex_);
    const EventLog::Start at = start();
    try {
      return add(std::move(listener), at);
    } catch (...) {
      undo(at);
      throw;
    }
  }

  /// Removes a listener, and sets its pattern. Returns false if the id is unknown. After it returns, the callback
  /// neither runs nor will run again. Exception: called from the callback itself, the running call is the last one. If
  /// callbacks remove each other in a cycle, even across contexts, the call that closes the cycle returns without
  /// waiting; its callback may still be running.
  bool remove(std::uint64_t id, EventLog::PatternId& pattern);

  /// Removes all listeners, and restarts ids at 1. No callback and no other call may be running.
  void clear() noexcept;

  /// Calls the listeners of these patterns, one after another, on the calling thread, with an event of the log. Skips
  /// those that were added later than it was emitted, and those with a thread of their own. Beats `heartbeat`, if
  /// given, before each.
  void call(bp_event event, std::span<const EventLog::PatternId> patterns, std::uint64_t position,
            Heartbeat* heartbeat = nullptr);
  /// Calls all listeners of these patterns with an event that is not in the log. It is not counted. Skips those that
  /// are added meanwhile, and those with a thread of their own whose callback runs.
  void call_now(bp_event event, std::span<const EventLog::PatternId> patterns);
  /// Tells each listener that lost events by this gap, except those with a thread of their own.
  void tell_gap(const EventLog::Reader::Gap& gap, Heartbeat* heartbeat = nullptr);

  /// As call() and tell_gap(), for one listener with a thread of its own. Returns false if it is removed.
  bool call_one(std::uint64_t id, bp_event event, std::span<const EventLog::PatternId> patterns,
                std::uint64_t position);
  bool tell_gap_to_one(std::uint64_t id, const EventLog::Reader::Gap& gap);

  /// Inside a callback: it could not take its event, which counts as lost. Returns false outside of one.
  static bool drop_event() noexcept;

  /// The listener whose callback runs on `thread`, with its event.
  Culprit running_on(std::thread::id thread);

  /// What is known of a listener, for the status. `seen`: the events of its pattern that it was given or lost.
  struct Report {
    std::uint64_t id;
    std::string pattern;
    std::string label;
    EventLog::PatternId pattern_id;
    std::uint64_t seen;
    std::uint64_t delivered;
    std::uint64_t lost;
  };
  std::vector<Report> report();

  bool has(std::uint64_t id);
  /// From now on its events have no BP_EVENT_LOSSLESS.
  void end_lossless(std::uint64_t id);
  /// For a message: `the listener 7 of a.* (process 42)`.
  std::string describe(std::uint64_t id);

  /// The number of listeners. Takes no lock.
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  // Guarded by Listeners::mutex_, except what is constant.
  struct Listener {
    std::uint64_t id = 0;
    std::string pattern;
    std::string label;
    bp_event_fn on_event = nullptr;
    void* user = nullptr;
    bool own_thread = false;
    bool lossless = false;
    EventLog::PatternId pattern_id = 0;
    std::uint64_t first = 0;      // events before this position are not for it
    std::uint64_t seen = 0;       // as PatternTable::matched(), up to where it has been given or lost events
    std::uint64_t delivered = 0;  // by callbacks that have returned
    std::uint64_t lost = 0;
    std::uint32_t runs = 0;  // callbacks that run
    bool removed = false;
    Listener* next = nullptr;  // of the same pattern; linked until it is removed and its callbacks have returned
    Listener* previous = nullptr;
  };
  struct List {
    Listener* first = nullptr;
    Listener* last = nullptr;
  };

  // A running callback; lies on the stack of its thread, so that calling needs no memory.
  struct Run {
    Listener* listener;
    std::thread::id thread;
    std::string_view event;
    Run* next;
  };

  struct Wait;
  static std::vector<const Wait*>& waits();
  static bool closes_ring(const Wait& last);
  static bool enter(const Wait& wait);
  static void leave(const Wait& wait);

  static std::shared_ptr<Listener> make(const Subscription& subscription);
  std::uint64_t add(std::shared_ptr<Listener> listener, const EventLog::Start& start) BP_REQUIRES(mutex_);
  enum class What { event, gap, uncounted };
  bool is_for(const Listener& listener, std::uint64_t position, What what, std::uint64_t newest) const
      BP_REQUIRES(mutex_);
  void run(Listener& listener, bp_event event, What what) BP_REQUIRES(mutex_);
  bool stays(Listener& listener) BP_REQUIRES(mutex_);
  bool run_gap(Listener& listener, const EventLog::Reader::Gap& gap) BP_REQUIRES(mutex_);
  void run_all(const bp_event& event, std::span<const EventLog::PatternId> patterns, std::uint64_t position, What what,
               Heartbeat* heartbeat) BP_REQUIRES(mutex_);
  void link(Listener& listener) BP_REQUIRES(mutex_);
  void unlink(Listener& listener) noexcept BP_REQUIRES(mutex_);
  bool runs_elsewhere(const Listener& listener) const BP_REQUIRES(mutex_);
  std::vector<std::thread::id> waited_for(const Wait& wait);

  Mutex mutex_;
  Condition ended_;
  using ById = std::map<std::uint64_t, std::shared_ptr<Listener>>;
  ById by_id_ BP_GUARDED_BY(mutex_);
  ById leaving_ BP_GUARDED_BY(mutex_);                  // removed, with a callback that runs
  std::vector<List> by_pattern_ BP_GUARDED_BY(mutex_);  // index: the pattern's id
  Run* running_ BP_GUARDED_BY(mutex_) = nullptr;        // linked; one for each thread that calls, so few
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_) = 0;
  std::atomic<std::size_t> count_{0};
};

}  // namespace backplane::host
