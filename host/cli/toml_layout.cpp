// SPDX-License-Identifier: Apache-2.0
#include "cli/toml_layout.hpp"

#include <algorithm>
#include <cstring>

namespace backplane::host::cli {
namespace {

class Layout {
 public:
  explicit Layout(std::string_view text) : text_(text) {}

  std::vector<TomlStatement> run() {
    std::vector<TomlStatement> all;
    std::vector<std::string> above;
    for (;;) {
      skip_space(" \t\r\n");
      if (at_end()) return all;
      if (peek() == '#') {
        skip_line();
        continue;
      }
      TomlStatement one;
      one.begin = line_of(at_);
      one.header = peek() == '[';
      if (one.header) {
        skip_space("[");
        one.path = above = keys();
      } else {
        one.above = above.size();
        one.path = above;
        for (std::string& key : keys()) one.path.push_back(std::move(key));
        skip_space(" \t=");
        one.value = at_;
        skip_value();
        one.value_end = at_;
      }
      skip_line();
      one.end = at_;
      all.push_back(std::move(one));
    }
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }

  std::size_t line_of(std::size_t at) const {
    const std::size_t before = at == 0 ? std::string_view::npos : text_.rfind('\n', at - 1);
    return before == std::string_view::npos ? 0 : before + 1;
  }

  void skip_space(const char* space) {
    while (!at_end() && std::strchr(space, peek()) != nullptr) ++at_;
  }

  void skip_line() {
    const std::size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
  }

  // Names with dots between them.
  std::vector<std::string> keys() {
    std::vector<std::string> all;
    for (;;) {
      skip_space(" \t");
      const std::size_t begin = at_;
      if (peek() == '"' || peek() == '\'') {
        skip_string();
        all.emplace_back(text_.substr(begin + 1, std::max(at_, begin + 2) - begin - 2));
      } else {
        while (!at_end() && std::strchr(" \t.=]\r\n#", peek()) == nullptr) ++at_;
        all.emplace_back(text_.substr(begin, at_ - begin));
      }
      skip_space(" \t");
      if (peek() != '.') return all;
      ++at_;
    }
  }

  void skip_string() {
    const char quote = peek();
    const bool escapes = quote == '"';
    const std::string three(3, quote);
    const bool many_lines = text_.substr(at_, 3) == three;
    at_ += many_lines ? 3 : 1;
    while (!at_end()) {
      if (escapes && peek() == '\\') {
        at_ = std::min(at_ + 2, text_.size());
      } else if (peek() != quote || (many_lines && text_.substr(at_, 3) != three)) {
        ++at_;
      } else {
        at_ += many_lines ? 3 : 1;
        while (many_lines && peek() == quote) ++at_;  // up to two quotes belong to the text
        return;
      }
    }
  }

  void skip_value() {
    std::size_t depth = 0;
    std::size_t end = at_;
    while (!at_end()) {
      const char c = peek();
      if (c == '#' || c == '\n' || c == '\r') {
        if (depth == 0) break;
        c == '#' ? skip_line() : static_cast<void>(++at_);
        continue;
      }
      if (c == '"' || c == '\'') {
        skip_string();
      } else {
        depth += c == '[' || c == '{' ? 1 : 0;
        depth -= (c == ']' || c == '}') && depth != 0 ? 1 : 0;
        ++at_;
        if (c == ' ' || c == '\t') continue;
      }
      end = at_;
    }
    at_ = end;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<TomlStatement> toml_layout(std::string_view text) { return Layout(text).run(); }

}  // namespace backplane::host::cli
