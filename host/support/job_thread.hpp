// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "support/mutex.hpp"

namespace backplane {

/// A thread that runs one job after another: made for the first, parked between them, ended with this.
/// Used by one thread at a time.
class JobThread {
 public:
  JobThread() = default;
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;
  /// Waits for the job that runs.
  ~JobThread() {
    if (!thread_.joinable()) return;
    {
      const MutexLock lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  /// Begins `job`; none may be running. Throws std::system_error if a thread cannot be had.
  void start(std::function<void()> job) {
    {
      const MutexLock lock(mutex_);
      job_ = std::move(job);
      busy_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) return;
    try {
      thread_ = std::thread([this] { work(); });
    } catch (...) {
      const MutexLock lock(mutex_);
      job_ = nullptr;
      busy_ = false;
      throw;
    }
  }

  /// Whether no job runs, or none did any more by then.
  bool wait(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this]() BP_REQUIRES(mutex_) { return !busy_; });
  }

 private:
  void work() {
    MutexLock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this]() BP_REQUIRES(mutex_) { return stop_ || busy_; });
      if (!busy_) return;
      std::function<void()> job = std::move(job_);
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  Mutex mutex_;
  Condition changed_;
  std::function<void()> job_ BP_GUARDED_BY(mutex_);
  bool busy_ BP_GUARDED_BY(mutex_) = false;  // from the start of a job to its end
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace backplane
