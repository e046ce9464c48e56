// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/value.hpp"

namespace backplane::host::cli {

/// An unload-report in words: one line, and one for each reason if the module is pinned.
std::string unload_words(const Value& report);

/// The same of the generation that a reload has replaced, whose names the new one has.
std::string replaced_words(const Value& report);

}  // namespace backplane::host::cli
