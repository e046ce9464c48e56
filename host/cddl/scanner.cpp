// SPDX-License-Identifier: Apache-2.0
//
// Reads white space, identifiers, numbers and strings of CDDL.
#include "cddl/scanner.hpp"

#include <algorithm>
#include <backplane/cbor/escape.hpp>
#include <charconv>

namespace backplane::host::cddl {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '@' || c == '_' || c == '$'; }

// The value of a digit; 99 if it is none.
unsigned digit_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return 99;
}

void put_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xe0 | c >> 12);
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3f));
    }
    put(0x80 | (c >> 6 & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

}  // namespace

bool Scanner::take(std::string_view token) {
  if (!ahead(token)) return false;
  at_ += token.size();
  return true;
}

void Scanner::expect(std::string_view token, const char* what) {
  if (!take(token)) unexpected(what);
}

void Scanner::space() {
  for (; !at_end(); ++at_) {
    const char c = text_[at_];
    if (c == ';') {
      at_ = std::min(text_.find('\n', at_), text_.size()) - 1;  // the newline is next
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return;
    }
  }
}

std::string_view Scanner::comment_behind() const noexcept {
  constexpr std::string_view blanks = " \t\r";
  std::string_view rest = text_.substr(at_);
  const auto skip = [&](std::string_view what) {
    rest.remove_prefix(std::min(rest.find_first_not_of(what), rest.size()));
  };
  skip(blanks);
  if (rest.starts_with(',')) rest.remove_prefix(1);
  skip(blanks);
  if (!rest.starts_with(';')) return {};
  rest = rest.substr(0, rest.find('\n'));
  skip("; \t\r");
  return rest.substr(0, rest.find_last_not_of(blanks) + 1);
}

// Counts what was read since the last call, so that all of them together take linear time.
Place Scanner::place() const noexcept {
  for (; counted_ < at_; ++counted_) {
    const auto byte = static_cast<unsigned char>(text_[counted_]);
    if (byte == '\n') {
      ++place_.line;
      place_.column = 1;
    } else if ((byte & 0xc0) != 0x80) {  // not inside of a character
      ++place_.column;
    }
  }
  return place_;
}

bool Scanner::id_ahead() const noexcept { return is_letter(peek()); }

std::string_view Scanner::id(bool digit_first) {
  const std::size_t begin = at_;
  if (!id_ahead() && !(digit_first && is_digit(peek()))) unexpected("a name");
  ++at_;
  for (;;) {
    // Dots and dashes may be inside of a name, but not at its end.
    std::size_t marks = 0;
    while (peek(marks) == '.' || peek(marks) == '-') ++marks;
    if (!is_letter(peek(marks)) && !is_digit(peek(marks))) break;
    at_ += marks + 1;
  }
  return text_.substr(begin, at_ - begin);
}

bool Scanner::number_ahead() const noexcept { return is_digit(peek()) || (peek() == '-' && is_digit(peek(1))); }

std::uint64_t Scanner::digits(unsigned base) {
  std::uint64_t out = 0;
  if (digit_value(peek()) >= base) unexpected("a digit");
  for (; digit_value(peek()) < base; ++at_) {
    if (__builtin_mul_overflow(out, std::uint64_t{base}, &out) ||
        __builtin_add_overflow(out, std::uint64_t{digit_value(peek())}, &out)) {
      fail("found an integer of more than 64 bits, expected a smaller one");
    }
  }
  return out;
}

std::uint64_t Scanner::uint() {
  if (take("0x")) return digits(16);
  if (take("0b")) return digits(2);
  return digits(10);
}

Number Scanner::number() {
  const Mark begin = mark();
  const bool negative = take("-");
  const bool hex = ahead("0x");
  const std::size_t first = at_ + (hex ? 2 : 0);
  // A real has a fraction or an exponent. The dots of a range are no fraction.
  std::size_t end = first;
  const auto skip_digits = [&] {
    while (end < text_.size() && digit_value(text_[end]) < (hex ? 16u : 10u)) ++end;
  };
  const auto at = [&](std::size_t i) { return i < text_.size() ? text_[i] : '\0'; };
  bool real = false;
  skip_digits();
  if (at(end) == '.' && digit_value(at(end + 1)) < (hex ? 16u : 10u)) {
    ++end;
    skip_digits();
    real = true;
  }
  if (at(end) == (hex ? 'p' : 'e')) {
    std::size_t exponent = end + 1;
    if (at(exponent) == '+' || at(exponent) == '-') ++exponent;
    if (is_digit(at(exponent))) {
      for (end = exponent; is_digit(at(end));) ++end;
      real = true;
    }
  }
  Number out;
  if (!real) {
    // The smallest integer has a bit more.
    if (negative && end - first == 20 && take("18446744073709551616")) return {.negative = true, .value = UINT64_MAX};
    out.value = uint();
    if (negative && out.value != 0) {
      out.negative = true;
      --out.value;
    }
    return out;
  }
  out.is_real = true;
  std::string digits_of(text_.substr(first, end - first));
  std::erase(digits_of, '+');  // from_chars takes no plus
  const auto [stop, error] = std::from_chars(digits_of.data(), digits_of.data() + digits_of.size(), out.real,
                                             hex ? std::chars_format::hex : std::chars_format::general);
  if (error != std::errc() || stop != digits_of.data() + digits_of.size()) {
    back_to(begin);
    unexpected("a number that fits 64 bits");
  }
  if (negative) out.real = -out.real;
  at_ = end;
  return out;
}

char32_t Scanner::hex_escape() {
  if (take("{")) {
    const std::uint64_t out = digits(16);
    expect("}", "}");
    return out > 0x10ffff ? 0x110000 : static_cast<char32_t>(out);
  }
  char32_t out = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    if (digit_value(peek()) > 15) unexpected("four digits behind \\u");
    out = out << 4 | digit_value(peek());
  }
  return out;
}

void Scanner::escape(std::string& out) {
  const char c = peek();
  if (at_end() || static_cast<unsigned char>(c) < 0x20) unexpected("a character behind the backslash");
  constexpr std::string_view letters = "\"\\/'bfnrt";
  constexpr std::string_view meanings = "\"\\/'\b\f\n\r\t";
  if (const std::size_t i = letters.find(c); i != std::string_view::npos) {
    ++at_;
    out += meanings[i];
    return;
  }
  if (c != 'u') unexpected("one of \" \\ / ' b f n r t u behind the backslash");
  ++at_;
  char32_t code = hex_escape();
  if (code >= 0xd800 && code < 0xdc00) {
    expect("\\u", "the second half of a surrogate pair");
    const char32_t low = hex_escape();
    if (low < 0xdc00 || low > 0xdfff) fail("found half of a surrogate pair, expected both halves");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) fail("found an escape that is no character");
  put_utf8(out, code);
}

// The contents of a string. The opening quote is passed.
std::string Scanner::quoted(char quote) {
  const Place begin = place();
  std::string out;
  for (;;) {
    const char c = peek();
    if (at_end() || (c == '\n' && quote == '"')) {
      throw ParseError(begin, "found a string without its end, expected a closing quote");
    }
    ++at_;
    if (c == quote) return out;
    if (c == '\\') {
      escape(out);
    } else {
      out += c;
    }
  }
}

std::string Scanner::text() {
  expect("\"", "a text in quotes");
  return quoted('"');
}

bool Scanner::bytes_ahead() const noexcept { return ahead("'") || ahead("h'") || ahead("b64'"); }

std::string Scanner::bytes() {
  const bool hex = take("h");
  const bool base64 = !hex && take("b64");
  expect("'", "a byte string in quotes");
  std::string out = quoted('\'');
  return hex ? from_hex(out) : base64 ? from_base64(out) : out;
}

std::string Scanner::from_hex(std::string_view digits) const {
  std::string out;
  unsigned byte = 0, count = 0;
  for (const char c : digits) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (digit_value(c) > 15) fail("found a character in h'' that is no hexadecimal digit");
    byte = byte << 4 | digit_value(c);
    if (++count % 2 == 0) out += static_cast<char>(static_cast<unsigned char>(byte));
    byte &= 0xf;
  }
  if (count % 2 != 0) fail("found an odd number of digits in h'', expected two for each byte");
  return out;
}

std::string Scanner::from_base64(std::string_view digits) const {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : digits) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '=') continue;
    std::size_t value = alphabet.find(c);
    if (c == '-' || c == '+') value = 62;
    if (c == '_' || c == '/') value = 63;
    if (value == std::string_view::npos) fail("found a character in b64'' that is not of base64");
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(static_cast<unsigned char>(bits >> count));
    }
  }
  if (count >= 6) fail("found a single digit at the end of b64'', expected two to four");
  return out;
}

void Scanner::unexpected(const std::string& what) const {
  std::string_view found = text_.substr(at_, 24);
  found = found.substr(0, std::min(found.find_first_of(" \t\r\n", 1), found.size()));
  while (!found.empty() && !cbor::valid_utf8(found)) found.remove_suffix(1);
  fail("found " + (found.empty() ? std::string("the end") : "\"" + cbor::escaped(found, cbor::Escape::line) + "\"") +
       ", expected " + what);
}

}  // namespace backplane::host::cddl
