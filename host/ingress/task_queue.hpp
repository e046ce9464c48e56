// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "sync/mpsc.hpp"

namespace backplane::host {

/// Work that another thread sends to the request thread, for example an answer to apply. Base class.
struct Task {
  Task* next = nullptr;
  /// Called once, on the request thread. It may free the task.
  void (*apply)(Task& self) = nullptr;
};

using TaskQueue = MpscQueue<Task>;

/// A task that runs a callable and deletes itself.
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
