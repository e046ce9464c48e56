// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <utility>

#include "sync/mpsc.hpp"

namespace backplane::host {

/// Work for the request thread from another thread. It is the base of the object that the work is about, so that
/// sending it needs no memory.
struct Task {
  Task* next = nullptr;
  /// Called once, on the request thread. It may free the task.
  void (*apply)(Task& self) = nullptr;
};

using TaskQueue = MpscQueue<Task>;

/// Runs a callable, then frees itself.
template <class F>
struct CallableTask final : Task {
  explicit CallableTask(F f) : run(std::move(f)) {
    apply = [](Task& self) {
      auto* const task = static_cast<CallableTask*>(&self);
      task->run();
      delete task;
    };
  }
  F run;
};

/// Its owner may send it any number of times. While it is queued, another send adds nothing.
class ReusableTask : public Task {
 public:
  using Run = void (*)(void* user);

  ReusableTask(Run run, void* user) noexcept : run_(run), user_(user) {
    apply = [](Task& task) {
      auto& self = static_cast<ReusableTask&>(task);
      self.queued_.exchange(false, std::memory_order_acq_rel);
      self.run_(self.user_);
    };
  }

  /// Any thread. False: it is queued already.
  bool claim() noexcept { return !queued_.exchange(true, std::memory_order_acq_rel); }

 private:
  const Run run_;
  void* const user_;
  std::atomic<bool> queued_{false};
};

}  // namespace backplane::host
