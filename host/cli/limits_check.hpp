// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/config_file.hpp"

namespace backplane::host::cli {

/// Finds limits of the configuration file that cannot hold beside each other. Throws CommandFailure (usage) with both
/// keys and values. Adds a warning if one has no effect.
void check_limits(const ConfigFile& file, std::vector<std::string>& warnings);

/// Once the host knows the memory of this machine: returns a warning for each limit that cannot hold beside it.
std::vector<std::string> warnings_of_memory(const GivenLimits& limits);

}  // namespace backplane::host::cli
