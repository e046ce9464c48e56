// SPDX-License-Identifier: Apache-2.0
#include "cddl/scalars.hpp"

#include <algorithm>

namespace backplane::host::cddl {
namespace {

bool has_real(const Scalars& set, double value) {
  if (set.float_bytes != 0 || set.reals.contains(value)) return true;
  return std::any_of(set.real_ranges.begin(), set.real_ranges.end(), [&](const RealRange& range) {
    return value >= range.from && (range.open ? value < range.to : value <= range.to);
  });
}

bool has_range(const Scalars& set, const RealRange& range) {
  if (set.float_bytes != 0) return true;
  return std::any_of(set.real_ranges.begin(), set.real_ranges.end(), [&](const RealRange& each) {
    return range.from >= each.from && (range.to < each.to || (range.to == each.to && (range.open || !each.open)));
  });
}

// The literals beyond `other`.
std::vector<std::string> literals_beyond(const Strings& set, const Strings& other) {
  std::vector<std::string> out;
  for (const std::string& each : set.literals) {
    if (!other.literals.contains(each) && !other.sizes.has(static_cast<Wide>(each.size()))) out.push_back(each);
  }
  return out;
}

}  // namespace

void Intervals::add(Wide from, Wide to) {
  if (from > to) return;
  auto first = std::lower_bound(ranges_.begin(), ranges_.end(), from,
                                [](const auto& range, Wide value) { return range.second + 1 < value; });
  auto last = first;
  for (; last != ranges_.end() && last->first <= to + 1; ++last) {
    from = std::min(from, last->first);
    to = std::max(to, last->second);
  }
  ranges_.insert(ranges_.erase(first, last), {from, to});
}

void Intervals::add(const Intervals& others) {
  for (const auto& [from, to] : others.ranges_) add(from, to);
}

void Intervals::clip(Wide from, Wide to) {
  std::vector<std::pair<Wide, Wide>> left;
  for (const auto& range : ranges_) {
    if (std::max(range.first, from) <= std::min(range.second, to)) {
      left.emplace_back(std::max(range.first, from), std::min(range.second, to));
    }
  }
  ranges_ = std::move(left);
}

bool Intervals::has(Wide value) const noexcept {
  const auto found = std::lower_bound(ranges_.begin(), ranges_.end(), value,
                                      [](const auto& range, Wide wanted) { return range.second < wanted; });
  return found != ranges_.end() && found->first <= value;
}

bool Intervals::within(const Intervals& others) const {
  auto other = others.ranges_.begin();
  for (const auto& range : ranges_) {
    while (other != others.ranges_.end() && other->second < range.first) ++other;
    if (other == others.ranges_.end() || other->first > range.first || other->second < range.second) return false;
  }
  return true;
}

bool Scalars::empty() const noexcept {
  const auto none = [](const Strings& strings) { return strings.literals.empty() && strings.sizes.empty(); };
  return integers.empty() && float_bytes == 0 && reals.empty() && real_ranges.empty() && none(texts) && none(bytes) &&
         simples.empty();
}

void Scalars::add(const Scalars& others) {
  integers.add(others.integers);
  float_bytes = std::max(float_bytes, others.float_bytes);
  reals.insert(others.reals.begin(), others.reals.end());
  real_ranges.insert(real_ranges.end(), others.real_ranges.begin(), others.real_ranges.end());
  texts.literals.insert(others.texts.literals.begin(), others.texts.literals.end());
  texts.sizes.add(others.texts.sizes);
  bytes.literals.insert(others.bytes.literals.begin(), others.bytes.literals.end());
  bytes.sizes.add(others.bytes.sizes);
  simples.insert(others.simples.begin(), others.simples.end());
}

Beyond beyond(const Scalars& set, const Scalars& other) {
  const auto all = [](const auto& values, auto fits) { return std::all_of(values.begin(), values.end(), fits); };
  const bool fits = set.integers.within(other.integers) && set.float_bytes <= other.float_bytes &&
                    all(set.reals, [&](double value) { return has_real(other, value); }) &&
                    all(set.real_ranges, [&](const RealRange& range) { return has_range(other, range); }) &&
                    set.texts.sizes.within(other.texts.sizes) && set.bytes.sizes.within(other.bytes.sizes) &&
                    literals_beyond(set.bytes, other.bytes).empty() &&
                    all(set.simples, [&](std::uint64_t each) { return other.simples.contains(each); });
  return {!fits, literals_beyond(set.texts, other.texts)};
}

}  // namespace backplane::host::cddl
