// SPDX-License-Identifier: Apache-2.0
//
// Text at compile time: names as template arguments, and arrays for the manifest and the CDDL.
#pragma once

#include <backplane/base.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace backplane {

/// A string literal as a template argument: handler<"echo.shout", …>.
template <std::size_t N>
struct FixedText {
  char text[N]{};

  consteval FixedText(const char (&literal)[N]) {  // NOLINT: implicit on purpose
    for (std::size_t i = 0; i < N; ++i) text[i] = literal[i];
  }
  constexpr std::string_view view() const noexcept { return {text, N - 1}; }
};

namespace detail {

/// Writes text into an array. Without an array, it measures the text.
class TextSink {
 public:
  constexpr explicit TextSink(char* out = nullptr) : out_(out) {}

  constexpr TextSink& operator<<(std::string_view text) {
    for (const char c : text) put(c);
    return *this;
  }
  constexpr void put(char c) {
    if (out_ != nullptr) out_[size_] = c;
    ++size_;
  }
  constexpr TextSink& number(std::uint64_t value) {
    char digits[20]{};
    std::size_t n = 0;
    do {
      digits[n++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (n != 0) put(digits[--n]);
    return *this;
  }
  template <std::integral T>
  constexpr TextSink& integer(T value) {
    if constexpr (std::is_signed_v<T>) {
      if (value < 0) {
        put('-');
        return number(std::uint64_t{0} - static_cast<std::uint64_t>(value));
      }
    }
    return number(static_cast<std::uint64_t>(value));
  }
  constexpr std::size_t size() const noexcept { return size_; }

 private:
  char* out_;
  std::size_t size_ = 0;
};

template <class Text>
consteval std::size_t text_size() {
  TextSink sink;
  Text::write(sink);
  return sink.size();
}

/// The text that Text::write(sink) writes, as a constant.
template <class Text>
consteval auto text_constant() {
  std::array<char, text_size<Text>()> out{};
  TextSink sink(out.data());
  Text::write(sink);
  return out;
}

constexpr bool is_name_char(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/// Whether `name` is [a-z0-9_]+, as each part of a wire name is.
constexpr bool valid_wire_name_part(std::string_view name) noexcept {
  if (name.empty()) return false;
  for (const char c : name) {
    if (!is_name_char(c)) return false;
  }
  return true;
}

/// Whether `name` is [a-z_][a-z0-9_]* of at most BP_MODULE_NAME_MAX bytes. CDDL has no names that begin with a digit.
constexpr bool valid_module_name(std::string_view name) noexcept {
  return valid_wire_name_part(name) && name.size() <= BP_MODULE_NAME_MAX && !(name[0] >= '0' && name[0] <= '9');
}

/// Whether `name` is [a-z_][a-z0-9_]*(\.[a-z0-9_]+)+ of at most BP_WIRE_NAME_MAX bytes.
constexpr bool valid_wire_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > BP_WIRE_NAME_MAX || (name[0] >= '0' && name[0] <= '9')) return false;
  bool dotted = false;
  char before = '.';
  for (const char c : name) {
    if (c == '.') {
      if (before == '.') return false;
      dotted = true;
    } else if (!is_name_char(c)) {
      return false;
    }
    before = c;
  }
  return dotted && before != '.';
}

/// Whether `name` is `<module>.…`.
constexpr bool belongs_to(std::string_view name, std::string_view module) noexcept {
  return name.size() > module.size() && name.substr(0, module.size()) == module && name[module.size()] == '.';
}

}  // namespace detail
}  // namespace backplane
