// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <exception>

#include "server/connection.hpp"
#include "server/limit_counts.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

/// Calls that are opened under one lock.
struct Connection::Batch {
  static constexpr std::size_t most = 64;
  std::array<wire::Call, most> calls;
  std::array<OpenCalls::Entry*, most> entries;  ///< null: above a limit
  std::array<Limit, most> limits;               ///< which
  std::size_t size = 0;
  std::exception_ptr fault;  ///< error of the call after the opened ones
};

}  // namespace backplane::host
