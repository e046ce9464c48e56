// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "support/unique_fd.hpp"
#include "wire/frame_buffer.hpp"

namespace backplane::host {

/// A connection on which both sides have said hello.
struct Dialed {
  UniqueFd socket;
  wire::FrameBuffer in{wire::default_max_frame};
  std::uint64_t max_frame = 0;  ///< what the host takes
  std::uint64_t pid = 0;        ///< the host's
};

/// Throws Failure: BP_UNREACHABLE, BP_PROTOCOL, BP_TIMEOUT, BP_INVALID_ARGUMENT (the path).
Dialed dial(const std::string& path, std::chrono::milliseconds timeout);

}  // namespace backplane::host
