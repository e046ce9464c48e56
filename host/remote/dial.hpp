// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "support/unique_fd.hpp"
#include "support/window.hpp"
#include "wire/frame_buffer.hpp"

namespace backplane::host {

/// A connection after the hellos of both sides.
struct Dialed {
  UniqueFd socket;
  wire::FrameBuffer in{wire::default_max_frame};
  std::uint64_t max_frame = 0;  ///< the largest frame that the host accepts
  std::uint64_t pid = 0;        ///< process id of the host
  wire::Features features;      ///< of the host
  Window window;                ///< of the parts of a request
};

/// Connects. Throws Failure: BP_UNREACHABLE, BP_PROTOCOL, BP_TIMEOUT, or BP_INVALID_ARGUMENT for the path. `stop`, if
/// there is one, ends it as soon as that descriptor is readable: BP_CANCELED.
Dialed dial(const std::string& path, std::chrono::milliseconds timeout, int stop = -1);

}  // namespace backplane::host
