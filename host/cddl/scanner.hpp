// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace backplane::host::cddl {

/// A place in the text, counted from 1. Columns count characters.
struct Place {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  /// For example: line 3, column 14
  std::string words() const { return "line " + std::to_string(line) + ", column " + std::to_string(column); }
};

/// The text is not CDDL, or has something that this host does not support. The message begins with the place.
struct ParseError : std::runtime_error {
  ParseError(Place at, const std::string& what) : std::runtime_error(at.words() + ": " + what), place(at) {}
  Place place;
};

/// A number as it is written.
struct Number {
  bool is_real = false;
  bool negative = false;    // of an integer, which is then -1 - value
  std::uint64_t value = 0;  // of an integer
  double real = 0;
};

/// The characters and literals of a CDDL text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Place place() const noexcept;
  bool at_end() const noexcept { return at_ == text_.size(); }
  /// The next character, or that after `ahead` more; 0 behind the end.
  char peek(std::size_t ahead = 0) const noexcept { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool ahead(std::string_view token) const noexcept { return text_.substr(at_).starts_with(token); }
  /// Skips `token` if the text continues with it.
  bool take(std::string_view token);
  /// Throws ParseError unless the text continues with `token`.
  void expect(std::string_view token, const char* what);
  /// Skips white space and comments.
  void space();
  /// The text of a comment that follows on this line, also behind a comma. Skips nothing.
  std::string_view comment_behind() const noexcept;

  struct Mark {
    std::size_t at;
    Place place;
  };
  Mark mark() const noexcept { return {at_, place()}; }
  void back_to(Mark mark) noexcept {
    at_ = counted_ = mark.at;
    place_ = mark.place;
  }

  /// Whether an identifier begins here.
  bool id_ahead() const noexcept;
  /// Reads an identifier. `digit_first`: it may begin with a digit, as names of modules do.
  std::string_view id(bool digit_first = false);
  /// Whether a number begins here.
  bool number_ahead() const noexcept;
  Number number();
  /// Reads an unsigned integer.
  std::uint64_t uint();
  /// Reads a text in double quotes.
  std::string text();
  /// Whether a byte string begins here: 'a', h'61', b64'YQ'.
  bool bytes_ahead() const noexcept;
  std::string bytes();

  [[noreturn]] void fail(const std::string& what) const { throw ParseError(place(), what); }
  /// Throws: found the next characters, expected `what`.
  [[noreturn]] void unexpected(const std::string& what) const;

 private:
  std::uint64_t digits(unsigned base);
  void escape(std::string& out);
  char32_t hex_escape();
  std::string quoted(char quote);
  std::string from_hex(std::string_view digits) const;
  std::string from_base64(std::string_view digits) const;

  std::string_view text_;
  std::size_t at_ = 0;
  mutable std::size_t counted_ = 0;  // characters up to here are counted in place_; never behind at_
  mutable Place place_;
};

}  // namespace backplane::host::cddl
