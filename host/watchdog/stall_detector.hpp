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

/// What a liveness event says.
struct Liveness {
  bool responding = false;
  const char* thread = "";  ///< "request" or "event"
  Culprit culprit;          ///< who held it when it fell silent
  std::uint64_t for_ms = 0;
};

/// One thread to watch.
struct Watched {
  Heartbeat* heartbeat = nullptr;
  const char* thread = "";
  std::function<void(const Liveness&)> tell;  ///< the detector hands it back and does not call it
  /// Who holds the thread now, if its heartbeat does not know. Takes no lock that is held during a call-out.
  std::function<Culprit()> culprit;
};

struct WatchdogOptions {
  Nanos period = 1'000 * nanos_per_ms;
  Nanos threshold = 1'000 * nanos_per_ms;
  Nanos start_grace = 10'000 * nanos_per_ms;
};

/// Decides which threads do not respond. Knows neither threads nor a clock: who looks says what time it is.
///
///   1. A thread that is busy and has not beaten since the look before stands still. From the look that
///      first finds it so, the time it could have used counts: that it ran or waited for something. Time
///      for which it waited for a core, or was stopped by a debugger, does not.
///   2. At the threshold it does not respond. That is told once, and once that it moves or is idle again.
///   3. A look that comes much later than it was asked for means that the whole process stood still, and
///      counts for nobody.
///   4. Nobody is told of before its start grace is over.
class StallDetector {
 public:
  using Id = std::uint64_t;
  using Probe = std::function<std::optional<Scheduling>(::pid_t tid)>;

  explicit StallDetector(const WatchdogOptions& options, Probe probe = scheduling_of);

  /// Ids start at 1 and only grow.
  Id add(Watched watched, Nanos time);
  void remove(Id id) { entries_.erase(id); }
  bool has(Id id) const { return entries_.contains(id); }

  struct Finding {
    Id id;
    std::shared_ptr<const Watched> watched;
    Liveness liveness;
  };
  std::vector<Finding> look(Nanos time);

  /// How long after the last look the next one should come. Only if anything moves.
  Nanos interval() const noexcept { return interval_; }
  /// Whether there is anything to look at: somebody is busy, has moved since the last look, or is silent.
  bool anything_moves() const;
  /// Nobody has looked until now because nothing moved.
  void slept(Nanos time) noexcept { looked_ = time; }

 private:
  struct Entry {
    std::shared_ptr<const Watched> watched;
    Nanos reported_from = 0;  ///< the start grace ends then
    std::uint64_t seen_beats = 0;
    bool still = false;  ///< it had not moved at the last look
    Nanos still_for = 0;
    Nanos counted = 0;  ///< how much of that counts towards the threshold
    std::optional<Scheduling> before;
    bool silent = false;
    Culprit culprit{};  ///< who held it when it fell silent
  };

  Culprit culprit_of(const Watched& watched) const;
  Nanos counts(Entry& entry, Nanos elapsed) const;
  std::optional<Liveness> moved(Entry& entry, Nanos elapsed) const;
  std::optional<Liveness> stands_still(Entry& entry, Nanos elapsed, Nanos time) const;

  const WatchdogOptions options_;
  const Nanos short_interval_;  ///< while somebody stands still
  const Probe probe_;
  std::map<Id, Entry> entries_;
  Id last_id_ = 0;
  Nanos looked_ = 0;
  Nanos interval_;
};

}  // namespace backplane::host
