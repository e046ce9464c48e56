// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace backplane::host::cli {

/// The BP_LOG_… of a level's name. Throws CommandFailure (usage), whose message begins with `where`.
int log_level(const std::string& given, const std::string& where);

/// The BP_LOG_FORMAT_… of "human" or "json". Throws as log_level().
int log_format(const std::string& given, const std::string& where);

/// How long the end of `run` waits for stderr to take the last lines.
inline constexpr std::uint32_t last_lines_ms = 100;

/// Writes a line of `run` to the log. Before bp_log_configure(), it has the default form.
void log_line(int level, const std::string& line);

}  // namespace backplane::host::cli
