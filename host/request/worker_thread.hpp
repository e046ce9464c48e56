// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <functional>

namespace backplane::host {

/// A thread whose stack has a guard like those of fibers (StackChunk::guard_of()): a frame of a handler that fits a
/// fresh stack cannot skip it. The usual guard is one page. It costs address space only.
class WorkerThread {
 public:
  WorkerThread() = default;
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  /// Once. Throws std::system_error or std::bad_alloc if there is no thread. `run` must not throw.
  void start(std::function<void()> run);
  /// Waits for its end. Once, after start().
  void join() noexcept { ::pthread_join(thread_, nullptr); }

 private:
  ::pthread_t thread_{};
};

}  // namespace backplane::host
