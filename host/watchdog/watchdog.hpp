// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "support/clock.hpp"
#include "watchdog/heartbeat.hpp"

namespace backplane {

/// What a liveness event says.
struct Liveness {
  bool responding = false;
  const char* thread = "";         ///< "request" or "event"
  const Method* method = nullptr;  ///< what runs, if known
  std::uint64_t generation = 0;
  std::uint64_t for_ms = 0;
};

/// One watched thread.
struct Watched {
  Heartbeat* heartbeat = nullptr;
  const char* thread = "";
  std::function<void(const Liveness&)> tell;  ///< called on the watchdog thread, with no lock held
  Nanos judged_from = 0;                      ///< the start grace ends then

  // The watchdog's own.
  std::uint64_t seen_beats = 0;
  Nanos still_for = 0;
  bool silent = false;
  const Method* culprit = nullptr;  // what ran when it fell silent
  std::uint64_t culprit_generation = 0;
};

struct WatchdogOptions {
  Nanos period = 1'000 * nanos_per_ms;
  Nanos threshold = 1'000 * nanos_per_ms;
  Nanos start_grace = 10'000 * nanos_per_ms;
};

/// Compares heartbeats. A thread that is busy and has not moved for the threshold does not respond: that
/// is told once, and once that it is back. While nothing is busy the watchdog sleeps without a timeout.
class Watchdog {
 public:
  explicit Watchdog(const WatchdogOptions& options);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  using Id = std::uint64_t;
  Id watch(Heartbeat& heartbeat, const char* thread, std::function<void(const Liveness&)> tell);
  /// Ends it. True: `tell` and the jobs posted for it neither run nor will run. False: one of them has not
  /// returned within `timeout`; call again. Not from one of them.
  bool unwatch(Id id, std::chrono::milliseconds timeout = std::chrono::hours(24));

  /// A watched thread has become busy: call after Heartbeat::busy(). Costs a load while the watchdog is
  /// awake. Both sides use seq_cst: either the watchdog, having said that it sleeps, sees the thread
  /// busy when it looks once more, or the thread sees that it sleeps.
  void active() noexcept {
    if (asleep_.load(std::memory_order_seq_cst)) wake();
  }

  /// Runs `job` on the watchdog thread soon, for events that must not wait for a stuck queue; not once
  /// `owner` (0: nobody) is unwatched.
  void post(Id owner, std::function<void()> job);

  /// Waits until what was posted before has run. Not from a job or from `tell`.
  void flush();

  bool on_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

  /// One look at everything watched, `elapsed` after the one before. For the thread, and for tests,
  /// which move time by it.
  void look(Nanos elapsed);

 private:
  struct Entry {
    Id id;
    std::shared_ptr<Watched> watched;
  };
  struct Job {
    Id owner;
    std::function<void()> run;
  };

  void run();
  void wake() noexcept;
  bool anything_moves();
  /// Whether there is something to tell.
  bool judge(Watched& watched, Nanos elapsed, Nanos time, Liveness& liveness) const;
  void run_unlocked(const std::function<void()>& job);

  const WatchdogOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_;        // guarded by mutex_
  std::vector<Job> jobs_;             // guarded by mutex_
  Id running_ = 0;                    // guarded by mutex_; whose `tell` or job runs
  Id last_id_ = 0;                    // guarded by mutex_
  bool stop_ = false;                 // guarded by mutex_
  bool woken_ = false;                // guarded by mutex_
  std::condition_variable returned_;  // with mutex_: running_ has changed
  std::atomic<bool> asleep_{false};
  std::thread thread_;
};

}  // namespace backplane
