// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "sync/mpsc.hpp"

namespace backplane::host {

/// Something that another thread wants done on the request thread: an answer to apply, a task to run. The base of what
/// it is about.
struct Task {
  Task* next = nullptr;
  /// Called once, on the request thread. It may free the task.
  void (*apply)(Task& self) = nullptr;
};

using TaskQueue = MpscQueue<Task>;

/// Task that runs a callable, and frees itself.
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

}  // namespace backplane::host
