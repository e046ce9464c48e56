// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace backplane::host::cli {

/// Reads the arguments that follow the command's name. Nothing if the user asked for help, which has
/// been written. Throws CommandFailure (usage).
std::optional<Args> parse(const Command& command, std::vector<std::string> arguments);

}  // namespace backplane::host::cli
