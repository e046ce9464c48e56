// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "request/record.hpp"
#include "support/log.hpp"

namespace backplane::host {

/// Implements log_error().
void log_error_closely(const Request& request) noexcept;

/// Logs, at debug level, that a call ended with an error, if a handler was given it. Before its record is freed.
inline void log_error(const Request& request) noexcept {
  if (log::enabled(BP_LOG_DEBUG)) [[unlikely]]
    log_error_closely(request);
}

}  // namespace backplane::host
