// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "cli/command.hpp"
#include "cli/run_plan.hpp"
#include "cli/service_manager.hpp"
#include "server/server.hpp"

namespace backplane::host::cli {

/// The configuration that `run` is in, and how it changes while the host runs. A thread of its own reads the file again
/// and begins the change as one operation. It waits until that is committed or refused, and then takes the next
/// request.
class Configured {
 public:
  /// `plan`: what runs now, made of `args`. `manager` is told of each change.
  Configured(const Args& args, const RunPlan& plan, std::shared_ptr<const ServiceManager> manager);
  Configured(const Configured&) = delete;
  Configured& operator=(const Configured&) = delete;
  ~Configured() {
    stop();
    wait_for_end();
  }

  /// Handles requests of peers. It may be called on any thread, also after the end of this.
  std::function<void(ReconfigureRequest)> asked() const;
  /// The same for a signal. The log has the answer.
  void ask_by_signal() const noexcept;
  /// From now on no change begins, and those that wait are answered BP_CLOSED.
  void stop();
  /// After stop(): waits for the thread, but not for long, because it may read a file that does not come.
  void wait_for_end();

 private:
  struct State;

  std::shared_ptr<State> state_;
};

}  // namespace backplane::host::cli
