// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "support/mpsc.hpp"

namespace backplane {

/// Something that another thread wants done on the request thread: an answer to apply, a task to run. The base of what
/// it is about.
struct Mail {
  Mail* next = nullptr;
  /// Called once, on the request thread. It may free the mail.
  void (*apply)(Mail& self) = nullptr;
};

using Mailbox = MpscQueue<Mail>;

/// Mail that runs a callable, and frees itself.
template <class F>
struct Task final : Mail {
  explicit Task(F f) : run(std::move(f)) {
    apply = [](Mail& self) {
      auto* const task = static_cast<Task*>(&self);
      task->run();
      delete task;
    };
  }
  F run;
};

}  // namespace backplane
