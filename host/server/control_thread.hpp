// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace backplane {

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

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses all of the above
};

}  // namespace backplane
