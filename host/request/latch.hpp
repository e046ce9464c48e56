// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace backplane {

/// One thread waits, with a bound, for another to have done something. Shared by both, so that either
/// may go first.
class Latch {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// To be opened again. Nobody may wait.
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  /// Whether it was opened in time.
  bool wait(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace backplane
