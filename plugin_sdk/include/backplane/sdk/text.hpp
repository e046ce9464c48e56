// SPDX-License-Identifier: Apache-2.0
//
// Makes text for people: messages and log lines.
#pragma once

#include <backplane/cbor/utf8.hpp>
#include <concepts>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

namespace backplane {
namespace detail {

template <class T>
void append_part(std::string& out, const T& part) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    out += std::string_view(part);
  } else if constexpr (std::same_as<T, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::same_as<T, char>) {
    out += part;
  } else {
    out += std::to_string(part);
  }
}

}  // namespace detail

/// Joins text, numbers and bools: join("took ", ms, " ms").
template <class... Parts>
std::string join(const Parts&... parts) {
  std::string out;
  (detail::append_part(out, parts), ...);
  return out;
}

namespace detail {

/// Shortens text of unknown origin, and escapes characters that would disturb a terminal or a log.
inline std::string shown(std::string_view text, std::size_t limit = 64) {
  std::string out;
  std::size_t end = text.size();
  if (end > limit) {
    end = limit;
    while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  }
  for (const char c : text.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr char hex[] = "0123456789abcdef";
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else {
      out += c;
    }
  }
  if (end != text.size()) out += "…";
  return out;
}

/// Makes UTF-8 of text in an unknown encoding. For example, what() may hold the bytes of a file name.
inline std::string repaired(std::string_view text) {
  std::string out(text);
  if (cbor::valid_utf8(text)) return out;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return out;
}

/// The same for a message that must not fail: empty if there is no memory for it.
inline std::string repaired_or_none(std::string_view text) noexcept {
  try {
    return repaired(text);
  } catch (const std::bad_alloc&) {
    return {};
  }
}

inline std::string quoted(std::string_view text) { return join('"', shown(text), '"'); }

}  // namespace detail
}  // namespace backplane
