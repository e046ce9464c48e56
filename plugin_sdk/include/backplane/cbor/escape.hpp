// SPDX-License-Identifier: Apache-2.0
//
// Shows text of unknown origin. The host's log, the command line and the SDK all use this escaper, so that they agree
// on what a line may hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "utf8.hpp"

namespace backplane::cbor {

enum class Escape : std::uint8_t {
  line,    ///< for one line of a terminal or a log
  lines,   ///< the same, but line breaks and tabs stay
  quoted,  ///< the same as `line`, and a backslash before `"` and `\`
  json,    ///< for the inside of a JSON string
};

/// The size of the UTF-8 character at the beginning of `text`; 0 if there is none.
inline std::size_t character_size(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return size <= text.size() && valid_utf8(text.substr(0, size)) ? size : 0;
}

/// The code point of a character of valid UTF-8.
inline char32_t code_point(std::string_view character) noexcept {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead;
  char32_t out = lead & (0x7fu >> character.size());
  for (const char c : character.substr(1)) out = out << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return out;
}

/// Whether a character could end a line, control a terminal, or change the order in which text appears: control
/// characters, the separators of lines and paragraphs, bidirectional controls, and the byte order mark.
constexpr bool is_unsafe(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

namespace detail {

template <class Put>
void put_hex(Put& put, std::string_view prefix, unsigned value, unsigned digits) {
  constexpr char hex[] = "0123456789abcdef";
  char out[8];
  for (unsigned i = 0; i < digits; ++i) out[i] = hex[value >> 4 * (digits - 1 - i) & 15];
  put(prefix);
  put(std::string_view(out, digits));
}

/// Escapes the character at the beginning of `text`, and returns its size.
template <class Put>
std::size_t escape_one(std::string_view text, Escape style, Put& put) {
  const std::size_t size = character_size(text);
  const auto byte = static_cast<unsigned char>(text[0]);
  if (size == 0) {
    if (style == Escape::json) {
      put("\\ufffd");
    } else {
      put_hex(put, "\\x", byte, 2);
    }
    return 1;
  }
  const char32_t c = code_point(text.substr(0, size));
  if ((c == '"' || c == '\\') && (style == Escape::json || style == Escape::quoted)) {
    put("\\");
    put(text.substr(0, 1));
  } else if ((c == '\n' || c == '\t') && style == Escape::json) {
    put(c == '\n' ? "\\n" : "\\t");
  } else if (!is_unsafe(c) || ((c == '\n' || c == '\t') && style == Escape::lines)) {
    put(text.substr(0, size));
  } else if (c < 0x80 && style != Escape::json) {
    put_hex(put, "\\x", byte, 2);
  } else {
    put_hex(put, "\\u", static_cast<unsigned>(c), 4);
  }
  return size;
}

}  // namespace detail

/// Calls `put` with pieces of `text` in which unsafe characters appear as `\x1b` or `\u202e`, and bytes that are not
/// UTF-8 as `\xff` (in JSON `\ufffd`). A byte becomes at most six.
template <class Put>
void escape(std::string_view text, Escape style, Put put) {
  const auto plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  while (!text.empty()) {
    std::size_t run = 0;
    while (run < text.size() && plain(text[run])) ++run;
    if (run != 0) put(text.substr(0, run));
    text.remove_prefix(run);
    if (!text.empty()) text.remove_prefix(detail::escape_one(text, style, put));
  }
}

inline std::string escaped(std::string_view text, Escape style) {
  std::string out;
  out.reserve(text.size());
  escape(text, style, [&](std::string_view piece) { out += piece; });
  return out;
}

}  // namespace backplane::cbor
