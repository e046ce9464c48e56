// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "row.hpp"

namespace bench {

/// How a row of short operations is measured: many rounds of few milliseconds each.
struct Rounds {
  unsigned rounds;
  std::uint64_t operations;  ///< in each round

  /// `operations` for full and quick; smoke does a thousandth.
  static Rounds of(Effort effort, std::uint64_t operations) {
    switch (effort) {
      case Effort::smoke:
        return {2, std::max<std::uint64_t>(operations / 1000, 1)};
      case Effort::quick:
        return {40, operations};
      case Effort::full:
        break;
    }
    return {200, operations};
  }
};

/// Measures ours and the floor in turns: what slows the machine down for a while, slows both. Of each the fastest
/// round counts, not the median: both do the same work each time, so that whatever else the machine does can only
/// add to it, and the fastest has the least of that. Each function does so many operations and returns how many
/// nanoseconds one took; 0 if it has found that it did not do them.
template <class Ours, class Floor>
Figure interleaved(Rounds rounds, Ours ours, Floor floor) {
  floor(rounds.operations);  // warm
  ours(rounds.operations);
  Figure best{std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
  for (unsigned i = 0; i < rounds.rounds; ++i) {
    best.floor = std::min(*best.floor, floor(rounds.operations));
    best.value = std::min(best.value, ours(rounds.operations));
  }
  if (best.value <= 0 || *best.floor <= 0) throw std::runtime_error("a round did not do what it was to do");
  return best;
}

}  // namespace bench
