// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "server/server.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

/// Why a connection may only manage the host.
enum class Shortage : std::uint8_t {
  none,
  connections,  ///< max_connections are in use
  descriptors,  ///< the process has no descriptor left
};

/// How a connection was let in, and what it may do.
struct Admission {
  using Clock = std::chrono::steady_clock;

  Roles roles = all_roles;  ///< of its socket
  Shortage shortage = Shortage::none;
  bool greeted = false;
  std::uint64_t number = 0;  ///< in the order of arrival
  Clock::time_point last_request = Clock::now();

  bool may_call() const noexcept { return greeted && (roles & role_call) != 0 && shortage == Shortage::none; }
};

/// The answer to a request that the connection may not make.
struct Denial {
  std::uint64_t id = 0;
  bp_status status = BP_OK;
  std::string message;
};

/// Checks a request after the hello. Frames without an answer of their own are not denied: without the request that
/// they belong to, they change nothing.
std::optional<Denial> denial_of(const wire::Frame& frame, const Admission& admission, const ServerOptions& options);

/// Why a connection finds no place, also not for management.
std::string no_place_text(bool no_descriptor, const ServerOptions& options);

}  // namespace backplane::host
