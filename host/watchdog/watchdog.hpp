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

/// The thread that looks at heartbeats when the detector asks for it, and tells what the detector finds. While
/// nothing moves it sleeps without a timeout.
class Watchdog {
 public:
  explicit Watchdog(const WatchdogOptions& options, StallDetector::Probe probe = scheduling_of);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  using Id = StallDetector::Id;
  /// `tell` is called on the watchdog thread, with no lock held; `culprit`, see Watched.
  Id watch(Heartbeat& heartbeat, const char* thread, std::function<void(const Liveness&)> tell,
           std::function<Culprit()> culprit = nullptr);
  /// Ends it. True: `tell` and the jobs posted for it neither run nor will run. False: one of them has not
  /// returned within `timeout`; call again. Not from one of them. An `id` of 0 is nobody's.
  bool unwatch(Id id, std::chrono::milliseconds timeout = std::chrono::hours(24));

  /// A watched thread has become busy: call after Heartbeat::busy(). Costs a load while the watchdog is
  /// awake; if it sleeps without an alarm, one system call, which sets the alarm and does not wake it: to wake a thread
  /// takes longer than most of what a thread becomes busy for. Both sides use seq_cst: either the watchdog, having said
  /// that it sleeps, sees the thread busy when it looks once more, or the thread sees that it sleeps.
  void active() noexcept {
    if (asleep_.load(std::memory_order_seq_cst)) set_alarm();
  }

  /// Runs `job` on the watchdog thread soon, for events that must not wait for a stuck queue; not once
  /// `owner` (0: nobody) is unwatched.
  void post(Id owner, std::function<void()> job);

  /// Waits until what was posted before has run. Not from a job or from `tell`.
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

  // How long after a thread became busy the first look comes: not at once, lest it is in the way of what the thread
  // does.
  const Nanos first_look_;

  // Its own, so that whoever posts, or wakes the thread, does not wait for a look. Taken before mutex_.
  Mutex detector_mutex_;
  StallDetector detector_ BP_GUARDED_BY(detector_mutex_);

  Mutex mutex_;
  Alarm alarm_;         // what the thread sleeps by; set with mutex_ held, and to "now" as long as the thread is wanted
  Condition returned_;  // running_ has changed
  std::deque<Job> jobs_ BP_GUARDED_BY(mutex_);
  Id running_ BP_GUARDED_BY(mutex_) = 0;  // whose `tell` or job runs
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  std::atomic<bool> asleep_{false};  // and the alarm is not set
  std::thread thread_;
};

}  // namespace backplane::host
