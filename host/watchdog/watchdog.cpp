// SPDX-License-Identifier: Apache-2.0
//
// The watchdog thread: sleeps until its alarm, runs posted jobs, lets the detector look, and reports its findings.
#include "watchdog/watchdog.hpp"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "sync/host_thread.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

Watchdog::Watchdog(const WatchdogOptions& options, StallDetector::Probe probe)
    : first_look_(std::min(options.period, 10 * nanos_per_ms)),
      after_look_(options.after_look),
      detector_(options, std::move(probe)),
      thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    alarm_.set(0);
  }
  thread_.join();
}

Watchdog::Id Watchdog::watch(Heartbeat& heartbeat, const char* thread, std::function<void(const Liveness&)> tell,
                             std::function<Culprit()> culprit, unsigned patience) {
  Id id = 0;
  {
    const MutexLock lock(detector_mutex_);
    id = detector_.add({&heartbeat, thread, std::move(tell), std::move(culprit), patience}, now());
  }
  active();  // the thread may already be busy, even stuck
  return id;
}

bool Watchdog::unwatch(Id id, std::chrono::milliseconds timeout) {
  if (id == 0) return true;
  {
    const MutexLock lock(detector_mutex_);
    detector_.remove(id);
  }
  MutexLock lock(mutex_);
  return returned_.wait_for(lock, timeout, [this, id]() BP_REQUIRES(mutex_) { return running_ != id; });
}

void Watchdog::post(Id owner, std::function<void()> job) {
  const MutexLock lock(mutex_);
  jobs_.push_back({owner, std::move(job)});
  alarm_.set(0);
}

void Watchdog::flush() {
  std::promise<void> reached;
  post(0, [&reached] { reached.set_value(); });
  reached.get_future().wait();
}

// If several threads call this, only one sets the alarm.
void Watchdog::set_alarm() noexcept {
  if (!asleep_.exchange(false, std::memory_order_seq_cst)) return;
  const MutexLock lock(mutex_);
  if (!wanted()) alarm_.set(first_look_);
}

void Watchdog::run() {
  HostThread host_thread("bp-watchdog");
  {
    const MutexLock lock(detector_mutex_);
    detector_.slept(now());
  }
  for (;;) {
    wait();
    {
      const MutexLock lock(mutex_);
      if (stop_) return;
    }
    run_jobs();
    look();
  }
}

// Sleeps without an alarm only if no thread is busy and none has moved since the last look. Otherwise, under steady
// traffic with short pauses, every thread that becomes busy would have to set the alarm.
void Watchdog::wait() {
  asleep_.store(true, std::memory_order_seq_cst);
  std::optional<Nanos> interval;
  {
    const MutexLock lock(detector_mutex_);
    if (detector_.anything_moves()) interval = detector_.interval();
  }
  if (interval) asleep_.store(false, std::memory_order_seq_cst);
  if (after_look_ != nullptr) after_look_(!interval);
  {
    const MutexLock lock(mutex_);
    if (wanted()) {
      // The alarm is already set to ring now.
    } else if (interval) {
      alarm_.set(*interval);
    } else if (asleep_.load(std::memory_order_seq_cst)) {
      alarm_.clear();
    }  // otherwise a thread has become busy, and sets the alarm
  }
  alarm_.wait();
  asleep_.store(false, std::memory_order_seq_cst);
  if (interval) return;
  const MutexLock lock(detector_mutex_);
  detector_.slept(now());  // this sleep must not count as a stall
}

void Watchdog::run_jobs() {
  for (;;) {
    Job job{};
    {
      const MutexLock lock(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    run_for(job.owner, job.run);
  }
}

// If out of memory, the findings of this look are lost.
void Watchdog::look() try {
  std::vector<StallDetector::Finding> findings;
  {
    const MutexLock lock(detector_mutex_);
    findings = detector_.look(now());
  }
  for (const StallDetector::Finding& finding : findings) {
    run_for(finding.id, [&finding] { finding.watched->tell(finding.liveness); });
  }
} catch (const std::bad_alloc&) {
}

// Runs `job`, possibly application code, with no lock held, if its owner is still watched. Checking the owner and
// setting running_ are one step: unwatch() either came before, or sees running_.
void Watchdog::run_for(Id owner, const std::function<void()>& job) {
  {
    const MutexLock lock_detector(detector_mutex_);
    if (owner != 0 && !detector_.has(owner)) return;
    const MutexLock lock(mutex_);
    running_ = owner;
  }
  try {
    job();
  } catch (const std::bad_alloc&) {
    // This report is lost.
  }
  const MutexLock lock(mutex_);
  running_ = 0;
  returned_.notify_all();
}

}  // namespace backplane::host
