// SPDX-License-Identifier: Apache-2.0
//
// The rules for names: see BP_WIRE_NAME_MAX and BP_MODULE_NAME_MAX in backplane/base.h.
#pragma once

#include <backplane/base.h>

#include <algorithm>
#include <string_view>

namespace backplane::host {

constexpr bool is_name_char(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/// No name begins with a digit, because CDDL has no such names.
constexpr bool begins_with_digit(std::string_view name) noexcept {
  return !name.empty() && name[0] >= '0' && name[0] <= '9';
}

constexpr bool is_module_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= BP_MODULE_NAME_MAX && !begins_with_digit(name) &&
         std::all_of(name.begin(), name.end(), is_name_char);
}

/// Two or more parts of [a-z0-9_], separated by dots. The first does not begin with a digit.
constexpr bool is_wire_name(std::string_view name) noexcept {
  if (name.size() > BP_WIRE_NAME_MAX || begins_with_digit(name)) return false;
  std::size_t dots = 0;
  bool in_part = false;
  for (const char c : name) {
    if (is_name_char(c)) {
      in_part = true;
    } else if (c == '.' && in_part) {
      ++dots;
      in_part = false;
    } else {
      return false;
    }
  }
  return in_part && dots > 0;
}

/// Whether a wire name belongs to a module: "kv.get" belongs to "kv".
constexpr bool is_of_module(std::string_view wire_name, std::string_view module) noexcept {
  return wire_name.size() > module.size() && wire_name.starts_with(module) && wire_name[module.size()] == '.';
}

/// An event name, or a prefix of an event name followed by `*`.
constexpr bool is_event_pattern(std::string_view pattern) noexcept {
  if (!pattern.ends_with('*')) return is_wire_name(pattern);
  pattern.remove_suffix(1);
  return pattern.size() < BP_WIRE_NAME_MAX &&
         std::all_of(pattern.begin(), pattern.end(), [](char c) { return is_name_char(c) || c == '.'; });
}

/// Whether a valid pattern matches this event name.
constexpr bool fits_pattern(std::string_view pattern, std::string_view name) noexcept {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

}  // namespace backplane::host
