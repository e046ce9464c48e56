// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace backplane::host::cli {

// What `backplane --help` says before and after the list of commands.
extern const char* const help_introduction;
extern const char* const help_ending;

/// The names of the manual pages.
std::vector<std::string> page_names();

}  // namespace backplane::host::cli
