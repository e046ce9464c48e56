// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace backplane::host::cli {

/// Parses the arguments after the command's name. Returns nullopt after it has printed the help on --help.
/// Throws CommandFailure (usage).
std::optional<Args> parse(const Command& command, std::vector<std::string> arguments);

}  // namespace backplane::host::cli
