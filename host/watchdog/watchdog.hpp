// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "sync/mutex.hpp"
#include "watchdog/alarm.hpp"
#include "watchdog/stall_detector.hpp"

namespace backplane::host {

/// The thread that lets the StallDetector look at heartbeats, and reports its findings. While no watched thread is
/// active, it sleeps without a timeout.
class Watchdog {
 public:
  explicit Watchdog(const WatchdogOptions& options, StallDetector::Probe probe = scheduling_of);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  using Id = StallDetector::Id;
  /// Watches a thread. `tell` is called on the watchdog thread, with no lock held. `culprit`, `patience`: see Watched.
  Id watch(Heartbeat& heartbeat, const char* thread, std::function<void(const Liveness&)> tell,
           std::function<Culprit()> culprit = nullptr, unsigned patience = 1);
  /// Stops watching. Returns true if `tell` and all jobs posted for `id` have returned and will not run again. Returns
  /// false if one of them has not returned within `timeout`; then call again. Not from `tell` or a job. An `id` of 0 is
  /// ignored.
  bool unwatch(Id id, std::chrono::milliseconds timeout = std::chrono::hours(24));

  /// Call this after Heartbeat::busy(). Costs one load while the watchdog is awake. If it sleeps without an alarm, this
  /// sets the alarm with one system call and does not wake it, because waking a thread takes longer than most work.
  /// Both sides use seq_cst: either the watchdog sees the busy thread after setting asleep_, or the thread sees
  /// asleep_.
  void active() noexcept {
    if (asleep_.load(std::memory_order_seq_cst)) set_alarm();
  }

  /// Runs `job` soon on the watchdog thread, for events that must not wait for a stuck queue. Does not run it after
  /// `owner` is unwatched. 0: no owner.
  void post(Id owner, std::function<void()> job);

  /// Waits until all jobs posted earlier have run. Not from a job or from `tell`.
  void flush();

  bool on_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  struct Job {
    Id owner;
    std::function<void()> run;
  };

  void run();
  void wait();
  void run_jobs();
  void look();
  void run_for(Id owner, const std::function<void()>& job);
  bool wanted() const BP_REQUIRES(mutex_) { return stop_ || !jobs_.empty(); }
  void set_alarm() noexcept;

  // Time from a thread's becoming busy to the first look. Not 0, so that the watchdog does not disturb short work.
  const Nanos first_look_;
  void (*const after_look_)(bool idle) noexcept;

  // A separate mutex, so that post() and set_alarm() need not wait for a look. Locked before mutex_.
  Mutex detector_mutex_;
  StallDetector detector_ BP_GUARDED_BY(detector_mutex_);

  Mutex mutex_;
  Alarm alarm_;         // wakes the thread; set with mutex_ held, and always set to "now" while wanted()
  Condition returned_;  // running_ has changed
  std::deque<Job> jobs_ BP_GUARDED_BY(mutex_);
  Id running_ BP_GUARDED_BY(mutex_) = 0;  // owner of the running `tell` or job
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  std::atomic<bool> asleep_{false};  // the thread sleeps and the alarm is not set
  std::thread thread_;
};

}  // namespace backplane::host
