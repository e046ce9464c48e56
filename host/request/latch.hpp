// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "support/mutex.hpp"

namespace backplane {

/// One thread waits, with a bound, for another to have done something. Shared by both, so that either
/// may go first.
class Latch {
 public:
  void open() {
    const MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// To be opened again. Nobody may wait.
  void close() {
    const MutexLock lock(mutex_);
    open_ = false;
  }
  /// Whether it was opened in time.
  bool wait(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this]() BP_REQUIRES(mutex_) { return open_; });
  }

 private:
  Mutex mutex_;
  Condition changed_;
  bool open_ BP_GUARDED_BY(mutex_) = false;
};

}  // namespace backplane
