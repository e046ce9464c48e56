// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

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
      const std::lock_guard lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  /// Begins `job`; none may be running. Throws std::system_error if a thread cannot be had.
  void start(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = std::move(job);
      changed_.notify_all();
    }
    if (thread_.joinable()) return;
    try {
      thread_ = std::thread([this] { work(); });
    } catch (...) {
      job_ = nullptr;
      throw;
    }
  }

  /// Whether no job runs, or none did any more by then.
  bool wait(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return job_ == nullptr; });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || job_ != nullptr; });
      if (job_ == nullptr) return;
      lock.unlock();
      job_();
      lock.lock();
      job_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> job_;  // guarded by mutex_; not changed while it runs
  bool stop_ = false;          // guarded by mutex_
  std::thread thread_;
};

}  // namespace backplane
