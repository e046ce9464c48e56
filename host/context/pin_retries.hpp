// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context/control.hpp"

namespace backplane::host {

class KeptByThreads;
class Loader;

/// Tries objects again that stay mapped because a thread that is not the host's has a frame of theirs. Nobody tells
/// when such a thread ends. So they are tried after a second, and then ever less often, down to once a minute. While
/// there is no such object, nothing wakes. Every function runs as an operation of Control.
class PinRetries final : LaterJob {
 public:
  PinRetries(Control& control, const KeptByThreads& kept, Loader& loader) noexcept
      : control_(control), kept_(kept), loader_(loader) {}

  /// There is one more.
  void begin() noexcept;

 private:
  void run() override;

  static constexpr Control::Milliseconds first{1'000};
  static constexpr Control::Milliseconds longest{60'000};

  Control& control_;
  const KeptByThreads& kept_;
  Loader& loader_;
  Control::Milliseconds delay_ = first;
};

}  // namespace backplane::host
