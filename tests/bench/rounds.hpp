// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "row.hpp"

namespace bench {

/// How a row of short operations is measured: many rounds of few milliseconds each.
struct Rounds {
  unsigned at_most;
  std::chrono::milliseconds budget;  ///< for ours and the floor together; then no further round begins
  std::chrono::milliseconds warm_up;
  std::uint64_t operations;  ///< in each round

  static constexpr unsigned at_least = 3;  // whatever the budget: less has no median to speak of

  /// `operations` for full and quick; smoke does a thousandth.
  static Rounds of(Effort effort, std::uint64_t operations) {
    using std::chrono::milliseconds;
    switch (effort) {
      case Effort::smoke:
        return {2, milliseconds(100), milliseconds(0), std::max<std::uint64_t>(operations / 1000, 1)};
      case Effort::quick:
        return {41, milliseconds(1500), milliseconds(100), operations};
      case Effort::full:
        break;
    }
    return {201, milliseconds(6000), milliseconds(200), operations};
  }
};

/// The one in the middle of an odd number, the greater of the two in the middle of an even one; `samples` is not empty.
inline double median(std::vector<double> samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

/// Measures ours and the floor in turns: what slows the machine down for a while, slows both. Of each the median round
/// counts. Before that both run for a while: the kernel first finds out which threads work at a time and may have put
/// them on one core, and processors clock up. Each function does so many operations and returns how many nanoseconds
/// one took; 0 if it has found that it did not do them.
template <class Ours, class Floor>
Figure interleaved(Rounds rounds, Ours ours, Floor floor) {
  using Clock = std::chrono::steady_clock;
  const auto warm = Clock::now() + rounds.warm_up;
  do {
    floor(rounds.operations);
    ours(rounds.operations);
  } while (Clock::now() < warm);
  const auto end = Clock::now() + rounds.budget;
  std::vector<double> values, floors;
  while (values.size() < rounds.at_most && (values.size() < Rounds::at_least || Clock::now() < end)) {
    floors.push_back(floor(rounds.operations));
    values.push_back(ours(rounds.operations));
    if (values.back() <= 0 || floors.back() <= 0) throw std::runtime_error("a round did not do what it was to do");
  }
  return {median(std::move(values)), median(std::move(floors))};
}

}  // namespace bench
