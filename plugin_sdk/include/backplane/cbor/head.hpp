// SPDX-License-Identifier: Apache-2.0
//
// The head of a CBOR item (RFC 8949, 3), for those who write items where they are to lie, or at compile time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace backplane::cbor {

/// The kind of an item: the top three bits of its head.
enum class Major : std::uint8_t { uint, negint, bytes, text, array, map, tag, other };

/// The longest head: one initial byte and eight of argument.
inline constexpr std::size_t head_max = 9;

/// The head of an item whose argument is less than 24: one byte.
constexpr std::uint8_t short_head(Major major, unsigned value) noexcept {
  return static_cast<std::uint8_t>(static_cast<unsigned>(major) << 5 | value);
}
inline constexpr std::uint8_t empty_map = short_head(Major::map, 0);

/// How many bytes the head with that argument takes in its shortest form.
constexpr std::size_t head_size(std::uint64_t value) noexcept {
  return value < 24 ? 1 : value <= 0xff ? 2 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9;
}

/// Writes a head in its shortest form; returns where it ends.
constexpr std::uint8_t* write_head(std::uint8_t* at, Major major, std::uint64_t value) noexcept {
  if (value < 24) {
    *at++ = short_head(major, static_cast<unsigned>(value));
    return at;
  }
  const unsigned log2 = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffff ? 2 : 3;
  *at++ = short_head(major, 24 + log2);
  for (unsigned left = 1u << log2; left > 0; --left) *at++ = static_cast<std::uint8_t>(value >> (8 * (left - 1)));
  return at;
}

}  // namespace backplane::cbor
