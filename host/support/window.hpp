// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace backplane::host {

/// How much may be on its way to a receiver: so many parts, with so many bytes. A part that is larger than the bytes
/// fits if it is alone.
struct Window {
  static constexpr std::uint64_t default_bytes = std::uint64_t{1} << 20;
  static constexpr std::uint64_t default_parts = 1024;

  std::uint64_t most_bytes = default_bytes;
  std::uint64_t most_parts = default_parts;
  std::uint64_t bytes = 0;
  std::uint64_t parts = 0;

  /// What a part of so many bytes counts as: an empty one as one byte, so that credit for it can be told.
  static constexpr std::uint64_t cost_of(std::uint64_t size) noexcept { return size == 0 ? 1 : size; }

  bool fits(std::uint64_t size) const noexcept {
    return parts < most_parts && (parts == 0 || bytes + size <= most_bytes);
  }
  void add(std::uint64_t size) noexcept {
    ++parts;
    bytes += size;
  }
  void remove(std::uint64_t size) noexcept {
    --parts;
    bytes -= size;
  }
};

}  // namespace backplane::host
