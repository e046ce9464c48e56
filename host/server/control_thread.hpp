// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

namespace backplane::host {

/// Makes reports and begins module operations for peers, one after another, and answers who waits for operations. None
/// of its jobs waits for an operation.
class ControlThread {
 public:
  using Clock = std::chrono::steady_clock;
  /// `run` true: run the job. False: only answer it, because the server ends.
  using Job = std::function<void(bool run)>;

  explicit ControlThread(bp_context context);
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;
  ~ControlThread() { stop(); }

  /// Queues a job. After stop(), calls it at once with `run` false. Any thread.
  void push(Job job);
  /// Runs `job` when the operation has ended, or at `until`. A job of this thread.
  void push_after(std::uint64_t operation, Clock::time_point until, Job job);
  /// How many jobs have run. It stands still while one of them hangs. Any thread.
  std::uint64_t jobs_done() const noexcept;
  /// Waits for the running job, calls the others with `run` false, and joins the thread. Idempotent.
  void stop();

 private:
  struct State;
  struct Watch;

  static void on_end(void* watch);
  static void loop(State& state);

  const bp_context context_;
  const std::shared_ptr<State> state_;  // an operation may end after the server
  std::thread thread_;
};

}  // namespace backplane::host
