// SPDX-License-Identifier: Apache-2.0
//
// Converts CBOR to JSON, item by item, without a tree.
#include <backplane/cbor/escape.hpp>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include "cli/json/base64.hpp"
#include "cli/json/json.hpp"

namespace backplane::host {
namespace {

void quote(std::string& out, std::string_view text) {
  out += '"';
  cbor::escape(text, cbor::Escape::json, [&](std::string_view piece) { out += piece; });
  out += '"';
}

class Printer {
 public:
  /// `sink` may be null; then run() returns all of the text, otherwise what the sink has not got.
  Printer(cbor::View input, JsonStyle style, const JsonSink* sink = nullptr)
      : reader_(input), indented_(style == JsonStyle::indented), sink_(sink) {}

  std::string run() {
    value(0);
    if (!reader_.at_end()) throw cbor::Error("found more bytes after the end of the item", reader_.offset());
    return std::move(out_);
  }

 private:
  static constexpr std::size_t piece = std::size_t{64} << 10;

  void value(std::size_t depth) {
    if (sink_ != nullptr && out_.size() >= piece) {
      (*sink_)(out_);
      out_.clear();
    }
    const std::size_t begin = reader_.offset();
    if (depth > cbor::max_depth) {
      throw cbor::Error("nested deeper than " + std::to_string(cbor::max_depth) + " levels", begin);
    }
    const cbor::Item item = reader_.next();
    switch (item.type) {
      case cbor::Type::uint:
        out_ += std::to_string(item.value);
        break;
      case cbor::Type::negint:
        negative(item.value);
        break;
      case cbor::Type::bytes:
        bytes(item);
        break;
      case cbor::Type::text:
        quote(out_, string(reader_, item));
        break;
      case cbor::Type::array:
        array(item, depth);
        break;
      case cbor::Type::map:
        map(item, depth);
        break;
      case cbor::Type::tag:
        wrapped("$tag", '[');
        out_ += std::to_string(item.value) + comma();
        value(depth + 1);
        out_ += "]}";
        break;
      case cbor::Type::boolean:
        out_ += item.value != 0 ? "true" : "false";
        break;
      case cbor::Type::null:
        out_ += "null";
        break;
      case cbor::Type::undefined:
        wrapped("$undefined");
        out_ += "true}";
        break;
      case cbor::Type::simple:
        wrapped("$simple");
        out_ += std::to_string(item.value) + '}';
        break;
      case cbor::Type::real:
        real(item.real);
        break;
      case cbor::Type::end:
        throw cbor::Error("found a break, expected an item", begin);
    }
  }

  const char* comma() const { return indented_ ? ", " : ","; }

  // Begins a form such as {"$tag": …. A form takes no line of its own.
  void wrapped(const char* key, char open = 0) {
    out_ += '{';
    quote(out_, key);
    out_ += indented_ ? ": " : ":";
    if (open != 0) out_ += open;
  }

  void negative(std::uint64_t v) {
    if (v <= INT64_MAX) {
      out_ += std::to_string(-1 - static_cast<std::int64_t>(v));
      return;
    }
    wrapped("$int");
    out_ += "\"-" + (v == UINT64_MAX ? std::string("18446744073709551616") : std::to_string(v + 1)) + "\"}";
  }

  void real(double v) {
    if (!std::isfinite(v)) {
      wrapped("$float");
      out_ += std::isnan(v) ? "\"nan\"}" : v > 0 ? "\"inf\"}" : "\"-inf\"}";
      return;
    }
    char buffer[32];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v);
    const std::string_view digits(buffer, static_cast<std::size_t>(end - buffer));
    out_ += digits;
    if (digits.find_first_of(".e") == std::string_view::npos) out_ += ".0";
  }

  void bytes(const cbor::Item& item) {
    const std::string all = string(reader_, item);
    wrapped("$bytes");
    out_ += '"' + base64({reinterpret_cast<const std::uint8_t*>(all.data()), all.size()}) + "\"}";
  }

  // A byte or text string. Joins the chunks if it has an indefinite length.
  static std::string string(cbor::Reader& reader, const cbor::Item& head) {
    if (!head.until_end) return std::string(head.text());
    std::string all;
    for (;;) {
      const std::size_t begin = reader.offset();
      const cbor::Item chunk = reader.next();
      if (chunk.type == cbor::Type::end) return all;
      if (chunk.type != head.type || chunk.until_end) {
        throw cbor::Error("found a chunk of another type in a string", begin);
      }
      all += chunk.text();
    }
  }

  // Whether another element follows. Counts `left` down, or reads the break of an indefinite length.
  static bool more(cbor::Reader& reader, const cbor::Item& head, std::uint64_t& left) {
    if (!head.until_end) return left-- != 0;
    if (reader.peek().type != cbor::Type::end) return true;
    reader.next();
    return false;
  }

  void separate(bool first, std::size_t level) {
    if (!first) out_ += ',';
    if (indented_) out_ += '\n' + std::string(level * 2, ' ');
  }

  void array(const cbor::Item& head, std::size_t depth) {
    out_ += '[';
    ++level_;
    bool first = true;
    for (std::uint64_t left = head.value; more(reader_, head, left); first = false) {
      separate(first, level_);
      value(depth + 1);
    }
    --level_;
    if (indented_ && !first) out_ += '\n' + std::string(level_ * 2, ' ');
    out_ += ']';
  }

  void map(const cbor::Item& head, std::size_t depth) {
    const bool object = fits_object(head);
    if (object) {
      out_ += '{';
    } else {
      wrapped("$map", '[');
    }
    ++level_;
    bool first = true;
    for (std::uint64_t left = head.value; more(reader_, head, left); first = false) {
      separate(first, level_);
      if (!object) out_ += '[';
      value(depth + 1);
      if (!object) {
        out_ += comma();
      } else {
        out_ += indented_ ? ": " : ":";
      }
      value(depth + 1);
      if (!object) out_ += ']';
    }
    --level_;
    if (indented_ && !first) out_ += '\n' + std::string(level_ * 2, ' ');
    out_ += object ? "}" : "]}";
  }

  // Looks ahead. A map fits an object if its keys are distinct texts, and not a single key that begins with "$".
  bool fits_object(const cbor::Item& head) const {
    cbor::Reader ahead = reader_;
    std::unordered_set<std::string> keys;
    for (std::uint64_t left = head.value; more(ahead, head, left);) {
      const cbor::Item key = ahead.next();
      if (key.type != cbor::Type::text || !keys.insert(string(ahead, key)).second) return false;
      ahead.skip();
    }
    return keys.size() != 1 || !keys.begin()->starts_with('$');
  }

  cbor::Reader reader_;
  const bool indented_;
  const JsonSink* const sink_;
  std::string out_;
  std::size_t level_ = 0;
};

}  // namespace

std::string cbor_to_json(cbor::View item, JsonStyle style) { return Printer(item, style).run(); }

void cbor_to_json(cbor::View item, JsonStyle style, const JsonSink& sink) { sink(Printer(item, style, &sink).run()); }

std::string json_quote(std::string_view text) {
  std::string out;
  quote(out, text);
  return out;
}

}  // namespace backplane::host
