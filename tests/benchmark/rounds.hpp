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

/// Runs ours and the floor in turns: what slows the machine down for a while, slows both. Before that both run for a
/// while: the kernel first finds out which threads work at a time, and may have put them on one core, and processors
/// clock up. `measured()` is called when that is over.
template <class Ours, class Floor, class Measured>
void in_turns(Rounds rounds, Ours ours, Floor floor, Measured measured) {
  using Clock = std::chrono::steady_clock;
  const auto warm = Clock::now() + rounds.warm_up;
  do {
    floor(rounds.operations);
    ours(rounds.operations);
  } while (Clock::now() < warm);
  measured();
  const auto end = Clock::now() + rounds.budget;
  for (unsigned i = 0; i < rounds.at_most && (i < Rounds::at_least || Clock::now() < end); ++i) {
    floor(rounds.operations);
    ours(rounds.operations);
  }
}

/// Of both the median round counts. Each function does so many operations and returns how many nanoseconds one took; 0
/// if it has found that it did not do them.
template <class Ours, class Floor>
Figure interleaved(Rounds rounds, Ours ours, Floor floor) {
  std::vector<double> values, floors;
  in_turns(
      rounds, [&](std::uint64_t count) { values.push_back(ours(count)); },
      [&](std::uint64_t count) { floors.push_back(floor(count)); }, [&] { values.clear(), floors.clear(); });
  for (const std::vector<double>* each : {&values, &floors}) {
    if (*std::min_element(each->begin(), each->end()) <= 0) {
      throw std::runtime_error("a round did not do what it was to do");
    }
  }
  return {median(std::move(values)), median(std::move(floors))};
}

/// The same of what has no floor.
template <class Ours>
Figure repeated(Rounds rounds, Ours ours) {
  Figure figure = interleaved(rounds, ours, [](std::uint64_t) { return 1.0; });
  figure.floor.reset();
  return figure;
}

/// The sample that so large a part of all lies below.
inline double quantile(std::vector<double>& samples, double part) {
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(samples.size() - 1) * part);
  std::nth_element(samples.begin(), at, samples.end());
  return *at;
}

/// Of samples of ours and the floor: the median, p99, p99.9.
inline Figure quantiles(std::vector<double> values, std::vector<double> floors) {
  if (values.empty() || floors.empty()) throw std::runtime_error("there are no samples");
  const auto both = [&](double part) { return Measured{quantile(values, part), quantile(floors, part)}; };
  const Measured middle = both(0.5);
  return {middle.value, middle.floor, {both(0.99), both(0.999)}};
}

/// As interleaved(), for what is measured by the single time: each function appends so many nanoseconds to the vector.
template <class Ours, class Floor>
Figure interleaved_samples(Rounds rounds, Ours ours, Floor floor) {
  std::vector<double> values, floors;
  in_turns(
      rounds, [&](std::uint64_t count) { ours(count, values); }, [&](std::uint64_t count) { floor(count, floors); },
      [&] { values.clear(), floors.clear(); });
  return quantiles(std::move(values), std::move(floors));
}

}  // namespace bench
