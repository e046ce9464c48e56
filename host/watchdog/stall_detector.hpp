// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sync/clock.hpp"
#include "watchdog/heartbeat.hpp"
#include "watchdog/scheduling.hpp"

namespace backplane::host {

/// The contents of a liveness event.
struct Liveness {
  bool responding = false;
  const char* thread = "";  ///< "request", "event" or "worker"
  Culprit culprit;          ///< the code that occupied the thread when it became stuck
  std::uint64_t for_ms = 0;
  std::uint64_t waiting = 0;  ///< for "worker": calls that wait for a worker thread
};

/// One thread to watch.
struct Watched {
  Heartbeat* heartbeat = nullptr;
  const char* thread = "";
  std::function<void(const Liveness&)> tell;  ///< the detector only stores it; the watchdog calls it
  /// Returns the code that occupies the thread, if its heartbeat does not know it. It must not take a lock that is held
  /// while module or application code runs.
  std::function<Culprit()> culprit;
  unsigned patience = 1;  ///< how many times the threshold it may stand still
};

struct WatchdogOptions {
  Nanos period = 1'000 * nanos_per_ms;
  Nanos threshold = 1'000 * nanos_per_ms;
  Nanos start_grace = 10'000 * nanos_per_ms;
  /// Called on the watchdog thread after each look; `idle`: no thread is busy, and the watchdog will sleep without an
  /// alarm. May be null.
  void (*after_look)(bool idle) noexcept = nullptr;
};

/// Decides which threads do not respond. It has no thread and no clock: the caller of look() passes the time.
///
///   1. A thread stands still if it is busy and has not beaten since the previous look. Its time counts from the first
///      look that finds it so. Time spent waiting for a core, or stopped by a debugger, does not count.
///   2. At the threshold, the thread is reported as not responding, once. When it moves or is idle again, that is
///      reported once.
///   3. If a look is much later than requested, the whole process stood still. This time counts for no thread.
///   4. No thread is reported before its start grace has ended.
class StallDetector {
 public:
  using Id = std::uint64_t;
  using Probe = std::function<std::optional<Scheduling>(::pid_t tid)>;

  explicit StallDetector(const WatchdogOptions& options, Probe probe = scheduling_of);

  /// Watches a thread. Ids start at 1 and grow.
  Id add(Watched watched, Nanos time);
  void remove(Id id) { entries_.erase(id); }
  bool has(Id id) const { return entries_.contains(id); }

  struct Finding {
    Id id;
    std::shared_ptr<const Watched> watched;
    Liveness liveness;
  };
  std::vector<Finding> look(Nanos time);

  /// The time from the last look to the next. Valid only if anything_moves().
  Nanos interval() const noexcept { return interval_; }
  /// Whether another look is needed: a thread is busy, has moved since the last look, or does not respond.
  bool anything_moves() const;
  /// Tells the detector that no look was needed until `time`.
  void slept(Nanos time) noexcept { looked_ = time; }

 private:
  struct Entry {
    std::shared_ptr<const Watched> watched;
    Nanos exempt_until = 0;  ///< the start grace ends then
    std::uint64_t seen_beats = 0;
    bool still = false;  ///< it stood still at the last look
    Nanos still_for = 0;
    Nanos counted = 0;  ///< the part of still_for that counts towards the threshold
    std::optional<Scheduling> before;
    bool silent = false;  ///< it is reported as not responding
    Culprit culprit{};    ///< the code that occupied the thread when it became silent
  };

  Culprit culprit_of(const Watched& watched) const;
  Nanos counts(Entry& entry, Nanos elapsed) const;
  std::optional<Liveness> moved(Entry& entry, Nanos elapsed) const;
  std::optional<Liveness> stands_still(Entry& entry, Nanos elapsed, Nanos time) const;

  const WatchdogOptions options_;
  const Nanos short_interval_;  ///< interval while a thread stands still
  const Probe probe_;
  std::map<Id, Entry> entries_;
  Id last_id_ = 0;
  Nanos looked_ = 0;
  Nanos interval_;
};

}  // namespace backplane::host
