// SPDX-License-Identifier: Apache-2.0
//
// How a configuration file changes, for people.
#include "cli/text_diff.hpp"

#include <algorithm>
#include <string_view>

#include "cli/output.hpp"
#include "cli/toml_layout.hpp"

namespace backplane::host::cli {
namespace {

constexpr std::size_t context = 3;

/// Of both texts: ' ', of the old one: '-', of the new one: '+'.
struct Line {
  char of;
  std::string_view text;  // with its line break
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    lines.push_back(text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1));
    text.remove_prefix(lines.back().size());
  }
  return lines;
}

// Lines are only added, changed or removed in place, so the next line that both have is near.
std::vector<Line> difference(std::string_view before, std::string_view after) {
  constexpr std::size_t near = 256;
  const std::vector<std::string_view> old = lines_of(before);
  const std::vector<std::string_view> now = lines_of(after);
  std::vector<Line> out;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < old.size() || j < now.size()) {
    if (i < old.size() && j < now.size() && old[i] == now[j]) {
      out.push_back({' ', old[i]});
      ++i, ++j;
      continue;
    }
    std::size_t skip_old = 0;
    std::size_t skip_new = 0;
    const auto meets = [&] {
      for (std::size_t sum = 1; sum < 2 * near; ++sum) {
        for (skip_old = 0; skip_old <= sum; ++skip_old) {
          skip_new = sum - skip_old;
          if (i + skip_old < old.size() && j + skip_new < now.size() && old[i + skip_old] == now[j + skip_new])
            return true;
        }
      }
      return false;
    };
    if (!meets()) skip_old = old.size() - i, skip_new = now.size() - j;
    for (; skip_old != 0; --skip_old) out.push_back({'-', old[i++]});
    for (; skip_new != 0; --skip_new) out.push_back({'+', now[j++]});
  }
  return out;
}

/// The headers of the tables in a text.
class Headers {
 public:
  explicit Headers(const std::string& text) : text_(text) {
    for (const TomlStatement& each : toml_layout(text)) {
      if (each.header) begins_.push_back(each.begin);
    }
  }
  /// The last header before this place; empty: there is none.
  std::string before(std::size_t place) const {
    const auto next = std::lower_bound(begins_.begin(), begins_.end(), place);
    if (next == begins_.begin()) return {};
    const std::string_view line = std::string_view(text_).substr(*(next - 1));
    return cat(" ", line.substr(0, std::min(line.find('\n'), line.size())));
  }

 private:
  const std::string& text_;
  std::vector<std::size_t> begins_;
};

// "12,3". Without lines: the one before them.
std::string range(std::size_t first, std::size_t count) {
  return cat(std::to_string(count == 0 ? first - 1 : first), ",", std::to_string(count));
}

}  // namespace

std::vector<std::string> changed_lines(const std::string& before, const std::string& after) {
  std::vector<std::string> out;
  for (const Line& each : difference(before, after)) {
    const bool ended = each.text.ends_with('\n');
    if (each.of != ' ') out.push_back(cat(each.of, ' ', each.text.substr(0, each.text.size() - (ended ? 1 : 0))));
  }
  return out;
}

std::string unified_diff(const std::string& old_file, const std::string& before, const std::string& new_file,
                         const std::string& after) {
  const std::vector<Line> lines = difference(before, after);
  const auto differs = [](const Line& line) { return line.of != ' '; };
  const Headers headers(before);
  std::string out;
  std::size_t old_line = 1, new_line = 1, old_place = 0;  // of the next line
  std::size_t at = 0;
  const auto pass_to = [&](std::size_t end) {
    for (; at < end; ++at) {
      if (lines[at].of != '+') ++old_line, old_place += lines[at].text.size();
      if (lines[at].of != '-') ++new_line;
    }
  };
  const auto next_change = [&](std::size_t from) {
    const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(from);
    return static_cast<std::size_t>(std::find_if(begin, lines.end(), differs) - lines.begin());
  };
  for (std::size_t change = next_change(0); change < lines.size(); change = next_change(at)) {
    // Changes whose surroundings meet are shown together.
    std::size_t end = change;
    for (std::size_t next = change; next < lines.size() && next <= end + 2 * context; next = next_change(end)) {
      end = next + 1;
    }
    const std::size_t begin = std::max(at, change - std::min(change, context));
    end = std::min(lines.size(), end + context);
    pass_to(begin);
    const std::size_t old_first = old_line, new_first = new_line;
    const std::string header = headers.before(old_place);
    pass_to(end);
    out += cat("@@ -", range(old_first, old_line - old_first), " +", range(new_first, new_line - new_first), " @@",
               header, "\n");
    for (std::size_t i = begin; i < end; ++i) {
      out += lines[i].of;
      out += lines[i].text;
      if (!lines[i].text.ends_with('\n')) out += "\n\\ No newline at end of file\n";
    }
  }
  return out.empty() ? out : cat("--- ", old_file, "\n+++ ", new_file, "\n", out);
}

}  // namespace backplane::host::cli
