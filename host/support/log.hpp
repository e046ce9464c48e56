// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <string_view>

namespace backplane::host::log {

/// Drops lines below `level` (BP_LOG_…) from now on. Any thread.
void set_level(int level) noexcept;
bool enabled(int level) noexcept;

/// Writes one line to stderr. Escapes control characters in `text`. `where` names the part of the host, or the module.
/// Any thread. Never throws.
void write(int level, std::string_view where, std::string_view text) noexcept;

inline void warn(std::string_view where, std::string_view text) noexcept { write(BP_LOG_WARN, where, text); }
inline void info(std::string_view where, std::string_view text) noexcept { write(BP_LOG_INFO, where, text); }
inline void error(std::string_view where, std::string_view text) noexcept { write(BP_LOG_ERROR, where, text); }

}  // namespace backplane::host::log
