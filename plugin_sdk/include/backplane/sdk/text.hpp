// SPDX-License-Identifier: Apache-2.0
//
// Makes text for people: messages and log lines.
#pragma once

#include <backplane/cbor/escape.hpp>
#include <charconv>
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
  } else if constexpr (std::floating_point<T>) {
    char digits[64];  // of the shortest form that reads back as the same value
    const auto end = std::to_chars(digits, digits + sizeof digits, part).ptr;
    out.append(digits, end);
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

/// Shortens text of unknown origin, and escapes what would disturb a terminal or a log.
inline std::string shown(std::string_view text, std::size_t limit = 64) {
  std::size_t end = text.size();
  if (end > limit) {
    end = limit;
    while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  }
  std::string out = cbor::escaped(text.substr(0, end), cbor::Escape::quoted);
  if (end != text.size()) out += "…";
  return out;
}

/// The beginning of UTF-8 text, at most `limit` bytes.
inline std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit != 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return join(text.substr(0, limit), "…");
}

/// Makes UTF-8 of text in an unknown encoding. For example, what() may hold the bytes of a file name. Bytes that are
/// not UTF-8 appear as `\xff`.
inline std::string repaired(std::string_view text) {
  if (cbor::valid_utf8(text)) return std::string(text);
  return cbor::escaped(text, cbor::Escape::lines);
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
