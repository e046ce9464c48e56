// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <string_view>

namespace backplane::host {

/// Implements bp_log_set for the log of this process.
bp_status set_log_level(std::string_view module, std::int32_t level, bp_result& result);

}  // namespace backplane::host
