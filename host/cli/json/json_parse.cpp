// SPDX-License-Identifier: Apache-2.0
//
// Converts JSON to CBOR. Only this unit includes Boost.JSON. The parser calls a handler for each value, which writes
// CBOR at once, without a tree, so that every error has a position. Numbers are converted here: the parser of Boost
// 1.81 turns integers beyond 64 bits into doubles, and some of its doubles are wrong in the last bit.
#include <algorithm>
#include <array>
#include <backplane/cbor/escape.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <unordered_set>

#include "cli/json/base64.hpp"
#include "cli/json/json.hpp"

namespace backplane::host {
namespace {

using boost::json::error_code;

constexpr std::string_view forms =
    "\"$bytes\", \"$float\", \"$int\", \"$map\", \"$simple\", \"$tag\" or \"$undefined\"";

std::string shortened(const std::string& digits) {
  constexpr std::size_t most = 40;
  return digits.size() <= most ? digits
                               : digits.substr(0, most) + "… (" + std::to_string(digits.size()) + " characters)";
}

// An unfinished array or object. `body` has its finished elements. Its head needs their number, so close() writes it.
struct Frame {
  bool object = false;
  std::size_t count = 0;
  std::size_t depth = 0;  // levels of the deepest element
  cbor::Bytes body;
  std::string key;                       // object: key of the next value
  std::unordered_set<std::string> keys;  // object
};

class Handler {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  /// `payload`: the whole text may be {"$raw": "<base64>"}.
  explicit Handler(bool payload) : payload_(payload) {}

  std::string error;  ///< why a callback refused; otherwise empty
  cbor::Bytes take() { return std::move(frames_.front().body); }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code& ec) { return frames_.front().depth <= cbor::max_depth || too_deep(ec); }
  bool on_array_begin(error_code&) { return open(false); }
  bool on_object_begin(error_code&) { return open(true); }
  bool on_array_end(std::size_t, error_code& ec) { return close(ec); }
  bool on_object_end(std::size_t, error_code& ec) { return close(ec); }

  bool on_string_part(boost::json::string_view s, std::size_t, error_code&) { return part(s); }
  bool on_key_part(boost::json::string_view s, std::size_t, error_code&) { return part(s); }
  bool on_number_part(boost::json::string_view s, error_code&) { return part(s); }
  bool on_comment_part(boost::json::string_view, error_code&) { return true; }
  bool on_comment(boost::json::string_view, error_code&) { return true; }

  bool on_string(boost::json::string_view s, std::size_t, error_code&) {
    part(s);
    writer().text(text_);
    return scalar();
  }
  bool on_key(boost::json::string_view s, std::size_t, error_code& ec) {
    part(s);
    Frame& frame = frames_.back();
    if (!frame.keys.insert(text_).second) {
      return refuse(ec, "the key " + json_quote(text_) + " appears twice in one object; expected each key once");
    }
    writer().text(text_);
    frame.key = std::move(text_);
    text_.clear();
    return true;
  }
  bool on_int64(std::int64_t, boost::json::string_view s, error_code& ec) { return number(s, ec); }
  bool on_uint64(std::uint64_t, boost::json::string_view s, error_code& ec) { return number(s, ec); }
  bool on_double(double, boost::json::string_view s, error_code& ec) { return number(s, ec); }
  bool on_bool(bool v, error_code&) {
    writer().boolean(v);
    return scalar();
  }
  bool on_null(error_code&) {
    writer().null();
    return scalar();
  }

 private:
  cbor::Writer writer() { return cbor::Writer(frames_.back().body); }

  bool part(boost::json::string_view s) {
    text_.append(s.data(), s.size());
    return true;
  }

  bool refuse(error_code& ec, std::string why) {
    error = std::move(why);
    ec = boost::json::error::syntax;
    return false;
  }

  bool too_deep(error_code& ec) {
    return refuse(ec, "nested deeper than " + std::to_string(cbor::max_depth) + " levels");
  }

  bool scalar() { return finished(0); }

  // Counts a value that was written to the innermost frame. `depth` is its number of levels.
  bool finished(std::size_t depth) {
    text_.clear();
    Frame& frame = frames_.back();
    ++frame.count;
    frame.depth = std::max(frame.depth, depth);
    return true;
  }

  bool open(bool object) {
    frames_.emplace_back().object = object;
    return true;
  }

  bool close(error_code& ec) {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.object && frame.count == 1 && frame.key.starts_with('$')) {
      try {
        return form(frame, ec);
      } catch (const cbor::Error& problem) {
        return refuse(ec, "in " + json_quote(frame.key) + ": " + problem.what());
      }
    }
    // Allow two more levels here than at the end, because the two arrays of a "$map" disappear.
    if (frame.depth >= cbor::max_depth + 2) return too_deep(ec);
    if (frame.object) {
      writer().map(frame.count);
    } else {
      writer().array(frame.count);
    }
    writer().encoded(frame.body);
    return finished(frame.depth + 1);
  }

  bool number(boost::json::string_view last, error_code& ec) {
    part(last);
    const char* const begin = text_.data();
    const char* const end = begin + text_.size();
    if (text_.find_first_of(".eE") != std::string::npos) {
      double v = 0;
      if (std::from_chars(begin, end, v).ec != std::errc() && !underflow(v)) {
        return refuse(ec, "the number " + shortened(text_) +
                              R"( is too large for a float; for infinity write {"$float": "inf"})");
      }
      writer().real(v);
      return scalar();
    }
    if (!integer(text_, false)) {
      return refuse(ec, "the integer " + shortened(text_) +
                            " does not fit 64 bits; expected -9223372036854775808 to 18446744073709551615");
    }
    return scalar();
  }

  // from_chars() also reports numbers too close to zero as out of range. Those are accepted.
  bool underflow(double& v) const {
    v = std::strtod(text_.c_str(), nullptr);
    return std::isfinite(v);
  }

  // Writes the integer in `digits`. Returns false if it is malformed or out of range. `all` allows the whole range of
  // CBOR, down to -2^64.
  bool integer(std::string_view digits, bool all) {
    const bool negative = digits.starts_with('-');
    if (negative) digits.remove_prefix(1);
    if (negative && digits == "18446744073709551616" && all) {
      writer().negint(UINT64_MAX);
      return true;
    }
    std::uint64_t v = 0;
    const auto [end, error_value] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
    if (digits.empty() || error_value != std::errc() || end != digits.data() + digits.size()) return false;
    if (negative && v > std::uint64_t{1} << 63 && !all) return false;
    if (negative && v != 0) {
      writer().negint(v - 1);
    } else {
      writer().uint(v);
    }
    return true;
  }

  // Converts an object whose only key begins with "$". Its body has the key and the value as CBOR.
  bool form(Frame& frame, error_code& ec) {
    cbor::Reader value(frame.body);
    value.skip();
    if (frame.key == "$map") return map_form(frame, value, ec);
    if (frame.key == "$tag") return tag_form(frame, value, ec);
    const cbor::Item item = value.next();
    const bool text = item.type == cbor::Type::text;
    const bool raw = payload_ && frames_.size() == 1 && frame.key == "$raw";
    if (raw || frame.key == "$bytes") {
      const auto bytes = text ? base64_decode(item.text()) : std::nullopt;
      if (!bytes)
        return refuse(ec, json_quote(frame.key) + R"( expects a string of padded base64 (RFC 4648, with + and /))");
      if (raw) {
        writer().encoded(*bytes);
      } else {
        writer().bytes(*bytes);
      }
    } else if (frame.key == "$float") {
      const std::string_view name = text ? item.text() : std::string_view();
      if (name != "nan" && name != "inf" && name != "-inf") {
        return refuse(ec, R"("$float" expects "nan", "inf" or "-inf")");
      }
      writer().real(name == "nan" ? std::nan("") : name == "inf" ? HUGE_VAL : -HUGE_VAL);
    } else if (frame.key == "$int") {
      if (!text || !integer(item.text(), true)) {
        return refuse(ec,
                      R"("$int" expects a string with an integer from -18446744073709551616 to 18446744073709551615)");
      }
    } else if (frame.key == "$undefined") {
      if (item.type != cbor::Type::boolean || item.value == 0) return refuse(ec, R"("$undefined" expects true)");
      writer().undefined();
    } else if (frame.key == "$simple") {
      return simple_form(item, ec);
    } else {
      return refuse(ec, "found an object whose only key is " + json_quote(frame.key) + "; expected " +
                            std::string(forms) + (payload_ ? ", or \"$raw\" for the whole payload" : "") +
                            R"(; for a map with only this key, write {"$map": [[)" + json_quote(frame.key) + ", …]]}");
    }
    return scalar();
  }

  bool simple_form(const cbor::Item& item, error_code& ec) {
    const bool fits = item.type == cbor::Type::uint && (item.value < 20 || (item.value >= 32 && item.value < 256));
    if (!fits) return refuse(ec, R"("$simple" expects a number from 0 to 19 or from 32 to 255)");
    writer().simple(static_cast<std::uint8_t>(item.value));
    return scalar();
  }

  // The depth of a "$map" or "$tag" value includes the one or two arrays around its pairs, which disappear.
  bool map_form(Frame& frame, cbor::Reader value, error_code& ec) {
    constexpr const char* expected = R"("$map" expects an array of arrays of two: [[key, value], …])";
    const cbor::Item pairs = value.next();
    if (pairs.type != cbor::Type::array) return refuse(ec, expected);
    writer().map(pairs.value);
    for (std::uint64_t i = 0; i < pairs.value; ++i) {
      const cbor::Item pair = value.next();
      if (pair.type != cbor::Type::array || pair.value != 2) return refuse(ec, expected);
      writer().encoded(value.skip());
      writer().encoded(value.skip());
    }
    return finished(frame.depth > 1 ? frame.depth - 1 : frame.depth);
  }

  bool tag_form(Frame& frame, cbor::Reader value, error_code& ec) {
    const cbor::Item pair = value.next();
    if (pair.type != cbor::Type::array || pair.value != 2 || value.peek().type != cbor::Type::uint) {
      return refuse(ec, R"("$tag" expects an array of a number and a value: [number, value])");
    }
    writer().tag(value.next().value);
    writer().encoded(value.skip());
    return finished(frame.depth);
  }

  const bool payload_;
  std::vector<Frame> frames_ = std::vector<Frame>(1);  // the first frame receives the whole value
  std::string text_;                                   // the unfinished string or number
};

std::size_t characters(std::string_view s) {
  return static_cast<std::size_t>(
      std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Text with one column for each character, so that a caret below it points to the right one: what shows nothing
// becomes a space.
std::string in_columns(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = cbor::character_size(text);
    const char32_t c = size == 0 ? 0xfffd : cbor::code_point(text.substr(0, size));
    const bool nothing = cbor::is_unsafe(c) || (c >= 0x200b && c <= 0x200d) || c == 0x2060 || c == 0xad;
    out += size == 0 ? std::string_view("?") : nothing ? std::string_view(" ") : text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

[[noreturn]] void fail(std::string_view json, std::size_t at, const std::string& why) {
  at = std::min(at, json.size());
  const std::size_t before = json.substr(0, at).rfind('\n');
  const std::size_t line_begin = before == std::string_view::npos ? 0 : before + 1;
  const std::size_t line = 1 + static_cast<std::size_t>(std::count(json.begin(), json.begin() + line_begin, '\n'));
  const std::size_t column = 1 + characters(json.substr(line_begin, at - line_begin));
  // Show at most 60 bytes on either side, and cut between characters.
  std::size_t from = at - line_begin > 60 ? at - 60 : line_begin;
  while (from < at && continues(json[from])) ++from;
  std::size_t to = std::min(json.find('\n', at), std::min(json.size(), at + 60));
  while (to > at && to < json.size() && continues(json[to])) --to;
  const std::string shown = in_columns(json.substr(from, to - from));
  const std::size_t caret = characters(in_columns(json.substr(from, at - from)));
  throw JsonError("line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + why + "\n    " +
                      shown + "\n    " + std::string(caret, ' ') + "^",
                  line, column);
}

// Characters that show nothing, or nothing of their own, by name.
std::string name_of(char32_t c) {
  struct Named {
    char32_t code;
    const char* name;
  };
  constexpr Named names[] = {
      {0x00, "null"},
      {0x0b, "vertical tab"},
      {0x0c, "form feed"},
      {0x1b, "escape"},
      {0x7f, "delete"},
      {0x85, "next line"},
      {0xa0, "no-break space"},
      {0xad, "soft hyphen"},
      {0x200b, "zero width space"},
      {0x200c, "zero width non-joiner"},
      {0x200d, "zero width joiner"},
      {0x200e, "left-to-right mark"},
      {0x200f, "right-to-left mark"},
      {0x2028, "line separator"},
      {0x2029, "paragraph separator"},
      {0x202e, "right-to-left override"},
      {0x202f, "narrow no-break space"},
      {0x2060, "word joiner"},
      {0x3000, "ideographic space"},
      {0xfeff, "byte order mark"},
  };
  char number[16];
  std::snprintf(number, sizeof number, "U+%04X", static_cast<unsigned>(c));
  for (const Named& each : names) {
    if (each.code == c) return std::string(number) + " (" + each.name + ")";
  }
  return c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) ? std::string(number) + " (a control character)" : number;
}

// What stands at the beginning of `text`, as an error shows it.
std::string found_in(std::string_view text) {
  const std::size_t size = cbor::character_size(text);
  if (size == 0) {
    char byte[16];
    std::snprintf(byte, sizeof byte, "0x%02x", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
    return std::string("the byte ") + byte + ", which is not UTF-8";
  }
  const char32_t c = cbor::code_point(text.substr(0, size));
  const std::string name = name_of(c);
  if (c > 0x20 && c < 0x7f) return std::string(text.substr(0, 1));
  return name.ends_with(')') || cbor::is_unsafe(c) ? name : name + " (" + std::string(text.substr(0, size)) + ")";
}

std::string describe(std::string_view json, std::size_t at, const error_code& ec) {
  if (ec == boost::json::error::incomplete || at >= json.size()) {
    return json.find_first_not_of(" \t\r\n") == std::string_view::npos ? "found nothing, expected JSON"
                                                                       : "the JSON ends too early";
  }
  if (ec == boost::json::error::too_deep) return "nested deeper than " + std::to_string(cbor::max_depth) + " levels";
  if (ec != boost::json::error::syntax) return ec.message();
  while (at != 0 && continues(json[at])) --at;
  return "not JSON: did not expect " + found_in(json.substr(at));
}

std::size_t end_of_digits(std::string_view json, std::size_t at) {
  while (at < json.size() && json[at] >= '0' && json[at] <= '9') ++at;
  return at;
}

// Boost refuses exponents that do not fit an int, also of numbers that are 0. A number never has so many digits that
// one of nine digits would mean another value. Returns the text with such exponents, at the same length; empty if all
// fit.
std::string with_short_exponents(std::string_view json) {
  constexpr std::size_t most_digits = 9;
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == 'e' || c == 'E') && i != 0 && json[i - 1] >= '0' && json[i - 1] <= '9') {
      std::size_t begin = i + 1;
      if (begin < json.size() && (json[begin] == '+' || json[begin] == '-')) ++begin;
      const std::size_t end = end_of_digits(json, begin);
      while (begin < end && json[begin] == '0') ++begin;
      if (end - begin > most_digits) {
        if (out.empty()) out = json;
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(begin), out.begin() + static_cast<std::ptrdiff_t>(end),
                  '0');
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(end - most_digits),
                  out.begin() + static_cast<std::ptrdiff_t>(end), '9');
      }
      i = end - 1;
    }
  }
  return out;
}

cbor::Bytes parse(std::string_view given, bool payload) {
  const std::string changed = with_short_exponents(given);
  const std::string_view json = changed.empty() ? given : changed;
  boost::json::parse_options options;
  options.max_depth = 3 * cbor::max_depth + 2;  // a level of {"$map": [[key, value]]} takes three
  boost::json::basic_parser<Handler> parser(options, payload);
  error_code ec;
  const std::size_t read = parser.write_some(false, json.data(), json.size(), ec);
  Handler& handler = parser.handler();
  if (ec) fail(given, read, handler.error.empty() ? describe(given, read, ec) : handler.error);
  if (read != json.size()) fail(given, read, "found more text after the end of the JSON value");
  return handler.take();
}

}  // namespace

cbor::Bytes json_to_cbor(std::string_view json) { return parse(json, false); }
cbor::Bytes json_to_payload(std::string_view json) { return parse(json, true); }

}  // namespace backplane::host
