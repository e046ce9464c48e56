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

/// The subscriptions of one context. Callbacks run with no lock held; removing one waits until its
/// callback has returned, except within that very callback, and where the wait would never end.
class Listeners {
 public:
  Listeners() = default;
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  /// Any thread, callbacks included. `pattern` is valid. Ids start at 1 and only grow.
  std::uint64_t add(std::string_view pattern, bp_event_fn on_event, void* user);

  /// False if there is none of that id. When it returns, the callback neither runs nor will run again;
  /// called from it, the running call is the last. So is one that runs on another thread and, itself or
  /// through others, waits in remove() for the callback that calls this: of callbacks that remove each
  /// other in a ring, of whatever contexts, the last one to come does not wait.
  bool remove(std::uint64_t id);

  /// Takes all of them away, and counts ids from 1 again. None may be running, nor anybody inside.
  void clear() noexcept;

  /// Hands `event` to every listener whose pattern fits, one after another, on the calling thread; beats
  /// `heartbeat`, if there is one, for each.
  void call(bp_event event, Heartbeat* heartbeat = nullptr);

  /// The listener whose callback runs on `thread`, and its event.
  Culprit running_on(std::thread::id thread);

  /// How many there are; a look without a lock.
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

  // One callback that runs.
  struct Run {
    const Listener* listener;
    std::thread::id thread;
    std::string_view event;  // valid as long as this is in running_
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
  std::vector<Run> running_ BP_GUARDED_BY(mutex_);  // on the event and the watchdog thread, so two at most
  std::uint64_t last_id_ BP_GUARDED_BY(mutex_) = 0;
  std::atomic<std::size_t> count_{0};
};

}  // namespace backplane::host
