// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <thread>
#include <vector>

#include "modules/registry.hpp"
#include "sync/mutex.hpp"
#include "watchdog/heartbeat.hpp"
#include "watchdog/watchdog.hpp"

namespace backplane::host {

/// The threads that run handlers declared blocking. They are started as work comes, up to a limit.
///
/// A blocking handler may take as long as it likes. But if all threads are taken, calls wait for one, and no handler
/// returns, begins or waits for long, then the pool as a whole does not respond. So it has one heartbeat. It is busy
/// while all threads are taken and calls wait. It beats when a handler begins, returns, waits or goes on.
class Workers {
 public:
  explicit Workers(std::size_t limit) : limit_(limit) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  /// Waits for the jobs that run. Drops the jobs that have not begun.
  ~Workers();

  std::size_t limit() const noexcept { return limit_; }

  /// The run of a handler of `method`, of that generation of its module.
  struct Job {
    std::function<void()> run;
    const Method* method;
    std::uint64_t generation;
  };
  /// Throws std::system_error or std::bad_alloc if there is no thread at all to run it.
  void run(Job job);

  /// Around a wait of a handler on one of the threads, on that thread: meanwhile it does not count against the limit,
  /// so that handlers that wait for handlers cannot take all threads there are.
  void begin_wait();
  void end_wait();

  /// A call waits for one of the threads, and is not a job yet. And it waits no longer.
  void call_waits() noexcept;
  void call_goes() noexcept;

  struct Load {
    std::size_t threads;
    std::size_t queued;  ///< with the calls that are no jobs yet
    std::size_t running;
  };
  Load load();

  /// Once, before the first run(): wakes this watchdog when there is something to watch.
  void set_watchdog(Watchdog& watchdog) noexcept { watchdog_ = &watchdog; }
  Heartbeat& heartbeat() noexcept { return heartbeat_; }
  /// The handler that has kept a thread for longest.
  Culprit culprit();

 private:
  struct Running {
    const Method* method;
    std::uint64_t generation;
    ::pid_t tid;
    bool waits;
  };

  void work();
  void grow() BP_REQUIRES(mutex_);
  std::size_t queued() const BP_REQUIRES(mutex_) { return jobs_.size() + calls_; }
  void changed() noexcept BP_REQUIRES(mutex_);
  void moved() noexcept BP_REQUIRES(mutex_);
  Running* oldest() noexcept BP_REQUIRES(mutex_);
  void set_waits(bool waits) noexcept BP_REQUIRES(mutex_);

  const std::size_t limit_;
  Watchdog* watchdog_ = nullptr;
  Mutex mutex_;
  Condition changed_;
  std::queue<Job> jobs_ BP_GUARDED_BY(mutex_);
  std::size_t calls_ BP_GUARDED_BY(mutex_) = 0;  // that wait to become jobs
  std::vector<std::thread> threads_ BP_GUARDED_BY(mutex_);
  std::vector<Running> running_ BP_GUARDED_BY(mutex_);  // the oldest first; has room for one of each thread
  std::size_t waiting_ BP_GUARDED_BY(mutex_) = 0;       // of those that run
  bool stop_ BP_GUARDED_BY(mutex_) = false;
  bool full_ BP_GUARDED_BY(mutex_) = false;  // all threads are taken, and calls wait
  Heartbeat heartbeat_;                      // written with mutex_ locked
};

}  // namespace backplane::host
