// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "sync/mutex.hpp"

namespace backplane::host {

/// Runs what may take long (loading, unloading, reports), one job after the other.
class ControlThread {
 public:
  /// Told whether the job is to be done (true) or only to be answered, since the server ends.
  using Job = std::function<void(bool run)>;

  ControlThread() : thread_([this] { loop(); }) {}
  ~ControlThread() { stop(); }

  /// Any thread. After stop() the job is dropped with `run` false, here.
  void push(Job job);
  /// Lets the job that runs come to its end, answers the others, and joins. Idempotent.
  void stop();

 private:
  void loop();

  Mutex mutex_;
  Condition wake_;
  std::deque<Job> jobs_ BP_GUARDED_BY(mutex_);
  bool stopping_ BP_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace backplane::host
