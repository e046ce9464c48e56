// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "cli/wait.hpp"

namespace backplane::host::cli {

/// Whether SIGINT, SIGTERM, SIGHUP or a peer has asked `run` to end.
class StopRequest {
 public:
  /// Blocks the ending signals in the calling thread and in all threads it starts later. The first signal makes the
  /// request. A signal after a request ends the process at once with `exit_code`.
  static std::shared_ptr<StopRequest> from_signals(int exit_code);

  void ask() noexcept;  ///< any thread
  bool asked() const noexcept { return asked_.load(); }
  /// Blocks until ask() has been called.
  void wait() const;

 private:
  std::atomic<bool> asked_{false};
  Bell bell_;
};

}  // namespace backplane::host::cli
