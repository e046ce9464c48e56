// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace backplane {

/// The subscriptions of one context. Callbacks run with no lock held; removing one waits until its
/// callback has returned, except within that very callback.
class Listeners {
 public:
  Listeners() = default;
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  /// Any thread, callbacks included. `pattern` is valid. Ids start at 1 and only grow.
  std::uint64_t add(std::string_view pattern, bp_event_fn on_event, void* user);

  /// False if there is none of that id. When it returns, the callback neither runs nor will run again;
  /// called from it, the running call is the last.
  bool remove(std::uint64_t id);

  /// Takes all of them away, and counts ids from 1 again. None may be running, nor anybody inside.
  void clear() noexcept;

  /// Hands `event` to every listener whose pattern fits, one after another, on the calling thread.
  void call(bp_event event);

  /// How many there are; a look without a lock.
  std::size_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  struct Listener {
    std::uint64_t id;
    std::string pattern;
    bp_event_fn on_event;
    void* user;
    bool removed = false;                     // guarded by mutex_
    std::vector<std::thread::id> running_on;  // guarded by mutex_: at most the event and the watchdog thread
  };
  using List = std::vector<std::shared_ptr<Listener>>;

  bool begin(Listener& listener);
  void end(Listener& listener);

  std::mutex mutex_;
  std::condition_variable ended_;
  const std::shared_ptr<const List> none_ = std::make_shared<List>();
  std::shared_ptr<const List> list_ = none_;  // guarded by mutex_; replaced, never changed
  std::uint64_t last_id_ = 0;                 // guarded by mutex_
  std::atomic<std::size_t> count_{0};
};

}  // namespace backplane
