// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sync/mutex.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// The listeners of one context. Callbacks run with no lock held. Removing a listener waits until its callback has
/// returned, except inside this callback, and if the wait would never end.
class Listeners {
 public:
  Listeners() = default;
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  /// Adds a listener and returns its id. `pattern` must be valid. Ids start at 1 and grow. Any thread, also in a
  /// callback.
  std::uint64_t add(std::string_view pattern, bp_event_fn on_event, void* user);

  /// Removes a listener. Returns false if the id is unknown. After it returns, the callback neither runs nor will run
  /// again. Exception: called from the callback itself, the running call is the last one. If callbacks remove each
  /// other in a cycle, even across contexts, the call that closes the cycle returns without waiting; its callback may
  /// still be running.
  bool remove(std::uint64_t id);

  /// Removes all listeners, and restarts ids at 1. No callback and no other call may be running.
  void clear() noexcept;

  /// Calls every listener whose pattern matches, one after another, on the calling thread. Beats `heartbeat`, if given,
  /// before each.
  void call(bp_event event, Heartbeat* heartbeat = nullptr);

  /// The listener whose callback runs on `thread`, with its event.
  Culprit running_on(std::thread::id thread);

  /// The number of listeners. Takes no lock.
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  struct Listener {
    std::uint64_t id;
    std::string pattern;
    bp_event_fn on_event;
    void* user;
    bool removed = false;  // guarded by Listeners::mutex_
  };
  using List = std::vector<std::shared_ptr<Listener>>;

  // A running callback.
  struct Run {
    const Listener* listener;
    std::thread::id thread;
    std::string_view event;  // valid while this is in running_
  };

  struct Wait;
  static std::vector<const Wait*>& waits();
  static bool closes_ring(const Wait& last);
  static bool enter(const Wait& wait);
  static void leave(const Wait& wait);

  bool begin(Listener& listener, std::string_view event);
  void end(Listener& listener);
  bool runs_elsewhere(const Listener& listener) const BP_REQUIRES(mutex_);
  std::vector<std::thread::id> waited_for(const Wait& wait);

  Mutex mutex_;
  Condition ended_;
  const std::shared_ptr<const List> none_ = std::make_shared<List>();
  std::shared_ptr<const List> list_ BP_GUARDED_BY(mutex_) = none_;  // replaced, never changed
  std::vector<Run> running_ BP_GUARDED_BY(mutex_);  // on the event and the watchdog thread, so at most two
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_) = 0;
  std::atomic<std::size_t> count_{0};
};

}  // namespace backplane::host
