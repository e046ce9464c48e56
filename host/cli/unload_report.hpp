// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/value.hpp"

namespace backplane::cli {

/// An unload-report in words: one line, and one for each reason if the module is pinned.
std::string unload_words(const Value& report);

}  // namespace backplane::cli
