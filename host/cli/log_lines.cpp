// SPDX-License-Identifier: Apache-2.0
#include "cli/log_lines.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace backplane::host::cli {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The size of the time with which a line for people begins; 0: it begins with none.
std::size_t time_size(std::string_view line) {
  constexpr std::string_view form = "0000-00-00T00:00:00.000+00:00 ";
  if (line.size() <= form.size()) return 0;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool fits = form[i] == '0'   ? is_digit(line[i])
                      : form[i] == '+' ? line[i] == '+' || line[i] == '-'
                                       : line[i] == form[i];
    if (!fits) return 0;
  }
  return form.size();
}

// What a line of the log says, without its time and the numbers of generations; empty: it is none.
std::string gist_of(std::string_view line) {
  const std::size_t time = time_size(line);
  if (time == 0) return {};
  line.remove_prefix(time);
  constexpr std::string_view word = "generation ";
  std::string out;
  while (!line.empty()) {
    const std::size_t end = line.find(word);
    if (end == std::string_view::npos) break;
    out += line.substr(0, end + word.size());
    line.remove_prefix(end + word.size());
    while (!line.empty() && is_digit(line.front())) line.remove_prefix(1);
  }
  out += line;
  return out;
}

}  // namespace

std::string without_repeats(std::string_view text) {
  struct Line {
    std::string_view text;
    std::size_t times = 1;
  };
  std::vector<Line> lines;
  std::map<std::string, std::size_t> first;  // place in `lines` by gist
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string gist = gist_of(line);
    if (!gist.empty()) {
      const auto [at, fresh] = first.emplace(gist, lines.size());
      if (!fresh) {
        ++lines[at->second].times;
        continue;
      }
    }
    lines.push_back({line});
  }
  std::string out;
  for (const Line& each : lines) {
    out += each.text;
    if (each.times != 1) out += " (" + std::to_string(each.times) + " times)";
    out += '\n';
  }
  return out;
}

}  // namespace backplane::host::cli
