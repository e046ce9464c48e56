// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/base.h>

#include <cstddef>

namespace backplane::host {
namespace detail {

// Converts a name of the status list, for example "UNKNOWN_NAME", to "unknown_name" at compile time.
template <std::size_t size>
struct StatusLiteral {
  constexpr explicit(false) StatusLiteral(const char (&upper)[size]) {
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = upper[i] >= 'A' && upper[i] <= 'Z' ? static_cast<char>(upper[i] - 'A' + 'a') : upper[i];
    }
  }
  char text[size];
};
template <StatusLiteral literal>
inline constexpr const char* lower_case = literal.text;

}  // namespace detail

/// Implements bp_status_name.
constexpr const char* status_name(bp_status status) noexcept {
  switch (status) {
#define BP_STATUS_CASE(name, value, text) \
  case value:                             \
    return detail::lower_case<detail::StatusLiteral(#name)>;
    BP_STATUS_LIST(BP_STATUS_CASE)
#undef BP_STATUS_CASE
    default:
      return status >= BP_STATUS_MODULE_FIRST ? "module" : "unknown";
  }
}

}  // namespace backplane::host
