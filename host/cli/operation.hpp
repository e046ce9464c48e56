// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <functional>

#include "cli/client.hpp"
#include "cli/command.hpp"
#include "cli/wait.hpp"

namespace backplane::host::cli {

/// A module operation on the running host. Make it before the Client, because it blocks the ending signals.
class OperationRun {
 public:
  /// Begins the operation, and waits for its end, for --timeout or, without it, until a generation has drained for five
  /// seconds. The first Ctrl-C asks for the end of the operation, the second ends this process.
  bp_status run(const Client& client, const bp_operation_request& request, const Args& args, Result& result);
  /// Runs `f`, which waits for the host to begin an operation, on another thread. After Ctrl-C, wait() asks for the end
  /// of that. If the answer does not come soon after it, this process ends, and the operation goes on.
  bp_status ask(const std::function<bp_status()>& f, const Args& args);
  /// As run(), for an operation that has begun.
  bp_status wait(const Client& client, bp_operation operation, const Args& args, Result& result);
  /// The operation that was waited for last; 0: none.
  std::uint64_t id() const noexcept { return id_; }

 private:
  void cancel(const Client& client, bp_operation operation);

  Signals signals_;
  Bell over_;
  std::uint64_t id_ = 0;
  bool interrupted_ = false;
};

}  // namespace backplane::host::cli
