// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "life.hpp"

namespace stress {

using Clock = std::chrono::steady_clock;

/// The thread that answers the application's host functions late.
class CompletionThread {
 public:
  struct Job {
    Clock::time_point due;
    std::shared_ptr<Use> life;  ///< shared because jobs are copied out of the queue
    bp_token token = 0;
    std::vector<std::uint8_t> payload;
    int times = 1;
    bool operator<(const Job& other) const { return due > other.due; }
  };

  CompletionThread();
  ~CompletionThread();
  void add(Job job);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<Job> jobs_;  // guarded by mutex_
  bool stop_ = false;              // guarded by mutex_
  std::thread thread_;
};

/// Completes a token and counts what became of it.
bp_status complete(Life& life, bp_token token, bp_status status, bp_bytes payload, bool as_buffer);

}  // namespace stress
