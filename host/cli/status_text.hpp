// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/value.hpp"

namespace backplane::host::cli {

/// A status-report for people: its tables, and a line for each limit that was hit and each thread that does not
/// respond.
std::string status_text(const Value& report);
/// The lines of those threads alone.
std::string not_responding_text(const Value& report);

}  // namespace backplane::host::cli
