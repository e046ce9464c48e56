// SPDX-License-Identifier: Apache-2.0
//
// Conversions between the C views and C++ views.
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace backplane::host {

/// Whether a view has a size but a null pointer, which is an error of the caller.
inline bool is_null(bp_str s) noexcept { return s.size != 0 && s.data == nullptr; }
inline bool is_null(bp_bytes b) noexcept { return b.size != 0 && b.data == nullptr; }

inline std::string_view view(bp_str s) noexcept {
  return s.size == 0 ? std::string_view() : std::string_view(s.data, s.size);
}
inline bp_str str(std::string_view s) noexcept { return {s.data(), s.size()}; }

inline std::span<const std::uint8_t> view(bp_bytes b) noexcept {
  return b.size == 0 ? std::span<const std::uint8_t>() : std::span<const std::uint8_t>(b.data, b.size);
}
inline bp_bytes bytes(std::span<const std::uint8_t> b) noexcept { return {b.data(), b.size()}; }

}  // namespace backplane::host
