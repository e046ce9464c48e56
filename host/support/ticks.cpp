// SPDX-License-Identifier: Apache-2.0
#include "support/ticks.hpp"

namespace backplane::host {
namespace {

struct Reading {
  Nanos time = now();
  Ticks count = ticks();
};
const Reading first;

double measured() noexcept {
  constexpr Nanos long_enough = nanos_per_ms;  // makes the error less than 0.1 %
  Reading second;
  while (second.time - first.time < long_enough) second = Reading{};
  return static_cast<double>(second.time - first.time) / static_cast<double>(second.count - first.count);
}

}  // namespace

double nanos_per_tick() noexcept {
  // Measured once, so that no report contradicts an earlier one, for example with a total that goes back.
  static const double unit = measured();
  return unit;
}

}  // namespace backplane::host
