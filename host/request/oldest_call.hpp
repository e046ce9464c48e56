// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "request/backlog.hpp"
#include "sync/clock.hpp"
#include "sync/mutex.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane::host {

/// A call that has no answer yet.
struct OldestCall {
  const char* state = "";  ///< see docs/protocol.md
  std::string name;        ///< empty: no module ever had its name
  std::string client;
  Nanos age = 0;
};

/// The oldest call of a context that has no answer. The age of a call that waits is exact if its wait is measured, else
/// it is that of the first one behind it that is. The age of any other call is at most a period of the watchdog too
/// large. Looks at few calls, however many there are.
std::optional<OldestCall> oldest_call(Backlog& backlog) BP_REQUIRES(on_request_thread);

/// The call whose handler keeps the request thread, for when that does not answer. Any thread. Its age is what the
/// watchdog has seen of it, so up to two periods too small.
std::optional<OldestCall> running_call(const Heartbeat& heartbeat);

/// A question to a request thread, which may be stuck. Both sides keep it alive.
class OldestCallQuery {
 public:
  void answer(std::optional<OldestCall> found) {
    const MutexLock lock(mutex_);
    found_ = std::move(found);
    done_ = true;
    changed_.notify_all();
  }
  /// False: no answer until then.
  bool wait_until(std::chrono::steady_clock::time_point until) {
    MutexLock lock(mutex_);
    return changed_.wait_until(lock, until, [this]() BP_REQUIRES(mutex_) { return done_; });
  }
  std::optional<OldestCall> found() {
    const MutexLock lock(mutex_);
    return found_;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  bool done_ BP_GUARDED_BY(mutex_) = false;
  std::optional<OldestCall> found_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
