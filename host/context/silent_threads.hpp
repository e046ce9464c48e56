// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include "sync/mutex.hpp"
#include "watchdog/stall_detector.hpp"

namespace backplane::host {

/// The threads of a context, or the worker threads of modules, that do not respond, as the watchdog has told.
class SilentThreads {
 public:
  struct Silent {
    Liveness liveness;
    std::chrono::steady_clock::time_point told;
  };

  void tell(const Liveness& liveness) {
    const MutexLock lock(mutex_);
    std::erase_if(all_, [&](const Silent& each) { return is_same(each.liveness, liveness); });
    if (!liveness.responding) all_.push_back({liveness, std::chrono::steady_clock::now()});
  }

  void clear() {
    const MutexLock lock(mutex_);
    all_.clear();
  }

  std::vector<Silent> all() const {
    const MutexLock lock(mutex_);
    return all_;
  }

 private:
  static bool is_same(const Liveness& a, const Liveness& b) {
    const std::string_view thread = a.thread;
    return thread == b.thread && (thread != "worker" || a.culprit.module == b.culprit.module);
  }

  mutable Mutex mutex_;
  std::vector<Silent> all_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
