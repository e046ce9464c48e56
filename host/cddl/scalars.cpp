// SPDX-License-Identifier: Apache-2.0
#include "cddl/scalars.hpp"

#include <algorithm>
#include <cmath>

namespace backplane::host::cddl {
namespace {

// The bytes of the narrowest float that has this value.
unsigned width_of(double value) {
  constexpr double largest_half = 65504;
  if (std::isinf(value)) return 2;
  if (static_cast<double>(static_cast<float>(value)) != value) return 8;
  int exponent = 0;
  const double digits = std::ldexp(std::frexp(value, &exponent), 11);
  const double smallest = std::ldexp(value, 24);
  const bool half =
      std::fabs(value) <= largest_half && digits == std::trunc(digits) && smallest == std::trunc(smallest);
  return half ? 2 : 4;
}

bool in_range(const RealRange& range, double value) {
  return (range.open_from ? value > range.from : value >= range.from) &&
         (range.open_to ? value < range.to : value <= range.to) && width_of(value) <= range.bytes;
}

bool has_real(const Scalars& set, double value) {
  if (set.float_bytes >= width_of(value) || set.reals.contains(value)) return true;
  return std::any_of(set.real_ranges.begin(), set.real_ranges.end(),
                     [&](const RealRange& range) { return in_range(range, value); });
}

bool has_range(const Scalars& set, const RealRange& range) {
  if (set.float_bytes >= range.bytes) return true;
  return std::any_of(set.real_ranges.begin(), set.real_ranges.end(), [&](const RealRange& each) {
    return each.bytes >= range.bytes &&
           (range.from > each.from || (range.from == each.from && (range.open_from || !each.open_from))) &&
           (range.to < each.to || (range.to == each.to && (range.open_to || !each.open_to)));
  });
}

// A reader takes a float of any width.
bool reals_may_meet(const Scalars& one, const Scalars& other) {
  const auto many = [](const Scalars& set) { return set.float_bytes != 0 || !set.real_ranges.empty(); };
  const auto some = [&](const Scalars& set) { return many(set) || !set.reals.empty(); };
  if (!some(one) || !some(other)) return false;
  if (many(one) && many(other)) return true;
  const auto has_one_of = [](const Scalars& set, const Scalars& literals) {
    if (set.float_bytes != 0 && !literals.reals.empty()) return true;
    return std::any_of(literals.reals.begin(), literals.reals.end(), [&](double value) {
      return set.reals.contains(value) ||
             std::any_of(set.real_ranges.begin(), set.real_ranges.end(),
                         [&](RealRange range) { return range.bytes = 8, in_range(range, value); });
    });
  };
  return has_one_of(one, other) || has_one_of(other, one);
}

bool may_meet(const Strings& one, const Strings& other) {
  const auto has_one_of = [](const Strings& set, const Strings& literals) {
    return std::any_of(literals.literals.begin(), literals.literals.end(), [&](const std::string& each) {
      return set.literals.contains(each) || set.sizes.has(static_cast<Wide>(each.size()));
    });
  };
  return one.sizes.meets(other.sizes) || has_one_of(one, other) || has_one_of(other, one);
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

bool Intervals::meets(const Intervals& others) const {
  auto other = others.ranges_.begin();
  for (const auto& range : ranges_) {
    while (other != others.ranges_.end() && other->second < range.first) ++other;
    if (other == others.ranges_.end()) return false;
    if (other->first <= range.second) return true;
  }
  return false;
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

bool may_meet(const Scalars& one, const Scalars& other) {
  static constexpr std::uint64_t null = 22, undefined = 23;  // a reader takes undefined for null
  const auto has_null = [](const Scalars& set) {
    return set.simples.contains(null) || set.simples.contains(undefined);
  };
  return one.integers.meets(other.integers) || reals_may_meet(one, other) || may_meet(one.texts, other.texts) ||
         may_meet(one.bytes, other.bytes) || (has_null(one) && has_null(other)) ||
         std::any_of(one.simples.begin(), one.simples.end(),
                     [&](std::uint64_t each) { return other.simples.contains(each); });
}

}  // namespace backplane::host::cddl
