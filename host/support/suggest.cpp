// SPDX-License-Identifier: Apache-2.0
#include "support/suggest.hpp"

#include <algorithm>

namespace backplane::host {
namespace {

// The optimal string alignment distance, computed row by row.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view given, const std::vector<std::string>& known) {
  if (given.size() > 256) return {};
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, given.size() / 3) + 1;
  for (const std::string& name : known) {
    if (name.size() > 256) continue;
    // A prefix of a name, or its verb alone, is a better match than a name that only looks similar.
    const bool part = given.size() >= 2 && (name.starts_with(given) || name.ends_with(given));
    const std::size_t d = part ? 1 : distance(given, name);
    if (d < best_distance) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& known) {
  std::string best = nearest(given, known);
  if (best.empty() || best == given) return {};
  return best.insert(0, "did you mean ").append("?");
}

}  // namespace backplane::host
