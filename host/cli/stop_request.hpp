// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "cli/wait.hpp"

namespace backplane::host::cli {

/// Whether `run` has been asked to end: by SIGINT, SIGTERM or a peer.
class StopRequest {
 public:
  /// Blocks both signals in the calling thread, and in those it starts from now on. The first signal
  /// asks; one that comes when that has been asked ends the process at once with `exit_code`.
  static std::shared_ptr<StopRequest> from_signals(int exit_code);

  void ask() noexcept;  ///< any thread
  bool asked() const noexcept { return asked_.load(); }
  /// Returns when it has been asked.
  void wait() const;

 private:
  std::atomic<bool> asked_{false};
  Bell bell_;
};

}  // namespace backplane::host::cli
