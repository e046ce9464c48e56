// SPDX-License-Identifier: Apache-2.0
//
// The names of the levels of the log, as people write them.
#pragma once

#include <backplane/base.h>

#include <array>
#include <optional>
#include <string_view>

namespace backplane::host {

/// In the order of BP_LOG_….
inline constexpr std::array<const char*, 6> log_level_names{"trace", "debug", "info", "warn", "error", "off"};

/// The name of a level; "unknown" if it is none.
constexpr const char* log_level_name(int level) noexcept {
  return level < BP_LOG_TRACE || level > BP_LOG_OFF ? "unknown" : log_level_names[static_cast<std::size_t>(level)];
}

constexpr std::optional<int> log_level_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < log_level_names.size(); ++i) {
    if (name == log_level_names[i]) return static_cast<int>(i);
  }
  return std::nullopt;
}

}  // namespace backplane::host
