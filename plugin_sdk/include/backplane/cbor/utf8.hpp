// SPDX-License-Identifier: Apache-2.0
//
// Checks whether text is valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace backplane::cbor {

namespace detail {
/// Whether a text of less than eight bytes is ASCII, as most names and words are. Its reads overlap.
inline bool short_ascii(std::string_view text) noexcept {
  const char* const begin = text.data();
  const std::size_t size = text.size();
  if (size >= 4) {
    std::uint32_t words[2];
    std::memcpy(&words[0], begin, 4);
    std::memcpy(&words[1], begin + size - 4, 4);
    return ((words[0] | words[1]) & 0x80808080u) == 0;
  }
  return size == 0 || ((begin[0] | begin[size / 2] | begin[size - 1]) & 0x80) == 0;
}
}  // namespace detail

/// Whether `text` is UTF-8 by RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
inline bool valid_utf8(std::string_view text) noexcept {
  if (text.size() < 8 && detail::short_ascii(text)) return true;
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  while (p != end) {
    if (end - p >= 8) {  // most text is ASCII: eight bytes at a time
      std::uint64_t word;
      std::memcpy(&word, p, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        p += 8;
        continue;
      }
    }
    const unsigned lead = *p;
    if (lead < 0x80) {
      ++p;
      continue;
    }
    std::ptrdiff_t size = 0;
    unsigned low = 0x80;
    unsigned high = 0xBF;  // the range of the second byte rules out overlong forms and surrogates
    if (lead >= 0xC2 && lead <= 0xDF) {
      size = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      size = 3;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      size = 4;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (end - p < size || p[1] < low || p[1] > high) return false;
    for (std::ptrdiff_t i = 2; i < size; ++i) {
      if (p[i] < 0x80 || p[i] > 0xBF) return false;
    }
    p += size;
  }
  return true;
}

}  // namespace backplane::cbor
