// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <queue>
#include <thread>
#include <vector>

#include "sync/mutex.hpp"

namespace backplane::host {

/// The threads that run handlers declared blocking. They are started as work comes, up to a limit.
class Workers {
 public:
  explicit Workers(std::size_t limit) : limit_(limit) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  /// Waits for the jobs that run. Drops the jobs that have not begun.
  ~Workers();

  std::size_t limit() const noexcept { return limit_; }

  /// Throws std::system_error if there is no thread at all to run it.
  void run(std::function<void()> job);

  /// Around a wait of a handler on one of the threads: meanwhile it does not count against the limit, so
  /// that handlers that wait for handlers cannot take all threads there are.
  void begin_wait();
  void end_wait();

  struct Load {
    std::size_t threads;
    std::size_t queued;
    std::size_t running;
  };
  Load load();

 private:
  void work();
  void grow() BP_REQUIRES(mutex_);

  const std::size_t limit_;
  Mutex mutex_;
  Condition changed_;
  std::queue<std::function<void()>> jobs_ BP_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ BP_GUARDED_BY(mutex_);
  std::size_t running_ BP_GUARDED_BY(mutex_) = 0;
  std::size_t waiting_ BP_GUARDED_BY(mutex_) = 0;  // of those that run
  bool stop_ BP_GUARDED_BY(mutex_) = false;
};

}  // namespace backplane::host
