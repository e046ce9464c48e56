// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "sync/mutex.hpp"

namespace backplane::host {

/// Runs operations that may take long (loads, unloads, reports), one after another.
class ControlThread {
 public:
  /// `run` true: run the job. False: only answer it, because the server ends.
  using Job = std::function<void(bool run)>;

  ControlThread() : thread_([this] { loop(); }) {}
  ~ControlThread() { stop(); }

  /// Queues a job. After stop(), calls it at once with `run` false. Any thread.
  void push(Job job);
  /// Waits for the running job, calls the others with `run` false, and joins the thread. Idempotent.
  void stop();

 private:
  void loop();

  Mutex mutex_;
  Condition wake_;
  std::deque<Job> jobs_ BP_GUARDED_BY(mutex_);
  bool stopping_ BP_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // must be the last member, because it uses all others
};

}  // namespace backplane::host
