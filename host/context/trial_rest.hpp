// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context/control.hpp"
#include "modules/loader.hpp"

namespace backplane::host {

/// Ends the process of trial loads when there was none for a while. Every function runs as an operation of Control.
class TrialRest final : LaterJob {
 public:
  TrialRest(Control& control, Loader& loader) noexcept : control_(control), loader_(loader) {}

  /// It was used.
  void begin() noexcept { control_.post_operation_later(*this, after); }

 private:
  void run() override {
    if (!loader_.rest_trials()) begin();
  }

  static constexpr Control::Milliseconds after{500};

  Control& control_;
  Loader& loader_;
};

}  // namespace backplane::host
