// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/value.hpp"

namespace backplane::host::cli {

/// An unload-report as text: one line, and if the module is pinned, one more line for each reason.
std::string unload_words(const Value& report);

/// The unload-report of a generation that a reload has replaced, as text.
std::string replaced_words(const Value& report);

}  // namespace backplane::host::cli
