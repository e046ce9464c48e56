// SPDX-License-Identifier: Apache-2.0
//
// The C views and their C++ counterparts.
#pragma once

#include <backplane/base.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace backplane::host {

/// A view of some bytes at null: an error of whoever made it.
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
