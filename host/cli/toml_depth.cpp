// SPDX-License-Identifier: Apache-2.0
#include "cli/toml_depth.hpp"

#include <algorithm>
#include <vector>

namespace backplane::host::cli {
namespace {

class Scanner {
 public:
  Scanner(std::string_view text, std::size_t most) : text_(text), most_(most) {}

  std::optional<TomlPlace> run() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // a byte order mark
    while (at_ < text_.size()) {
      step(text_[at_]);
      if (not_ascii_ || header_ + levels_ + dots_ > most_) return place();
    }
    return std::nullopt;
  }

 private:
  struct Bracket {
    std::size_t levels;  // of what is in it
    bool table;          // with keys
  };

  void step(char c) {
    switch (c) {
      case '#':
        at_ = std::min(text_.find('\n', at_), text_.size());
        return;
      case '"':
      case '\'':
        return pass_string(c);
      case '\n':
        if (open_.empty()) begin_line();
        break;
      case '.':
        if (in_key_) ++dots_;
        break;
      case '=':
        levels_ = (open_.empty() ? 1 : open_.back().levels) + dots_;
        dots_ = 0;
        in_key_ = false;
        break;
      case ',':
        next_element();
        break;
      case '[':
      case '{':
        open(c == '{');
        break;
      case ']':
      case '}':
        if (open_.empty()) break;
        open_.pop_back();
        dots_ = 0;
        in_key_ = false;
        levels_ = open_.empty() ? 1 : open_.back().levels;
        break;
      default:
        not_ascii_ = (static_cast<unsigned char>(c) & 0x80) != 0;
        break;
    }
    ++at_;
  }

  void open(bool table) {
    if (open_.empty() && in_key_) {  // the header of a table
      header_line_ = true;
      header_ = 0;
      return;
    }
    ++levels_;
    open_.push_back({levels_, table});
    in_key_ = table;
  }

  void next_element() {
    dots_ = 0;
    if (open_.empty()) return;
    levels_ = open_.back().levels;
    in_key_ = open_.back().table;
  }

  void begin_line() {
    if (header_line_) header_ = dots_ + 1;
    header_line_ = false;
    in_key_ = true;
    dots_ = levels_ = 0;
  }

  // To its end, or to the end of the text.
  void pass_string(char quote) {
    const std::string_view three(quote == '"' ? "\"\"\"" : "'''");
    const bool lines = text_.substr(at_).starts_with(three);
    at_ += lines ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        at_ += 2;
      } else if (!lines && (c == quote || c == '\n')) {
        at_ += c == quote ? 1 : 0;
        return;
      } else if (lines && text_.substr(at_).starts_with(three)) {
        at_ += 3;
        while (at_ < text_.size() && text_[at_] == quote) ++at_;  // quotes before the last three
        return;
      } else {
        ++at_;
      }
    }
    at_ = text_.size();
  }

  TomlPlace place() const {
    TomlPlace out;
    out.not_ascii = not_ascii_;
    for (const char c : text_.substr(0, at_ == 0 ? 0 : at_ - 1)) {
      ++out.column;
      if (c != '\n') continue;
      ++out.line;
      out.column = 1;
    }
    return out;
  }

  const std::string_view text_;
  const std::size_t most_;
  std::size_t at_ = 0;
  std::size_t header_ = 0;     // levels of the table that the lines belong to
  std::size_t levels_ = 0;     // below it, of the value at hand
  std::size_t dots_ = 0;       // of the key at hand
  std::vector<Bracket> open_;  // the brackets around it
  bool in_key_ = true;
  bool header_line_ = false;
  bool not_ascii_ = false;
};

}  // namespace

std::optional<TomlPlace> find_too_deep(std::string_view text, std::size_t most) { return Scanner(text, most).run(); }

}  // namespace backplane::host::cli
