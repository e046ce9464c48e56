// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <thread>

#include "sync/adaptive_spin.hpp"

using namespace backplane::host;

namespace {

/// How often a vain spin looks.
int vain_looks(AdaptiveSpin& patience) {
  int looks = 0;
  CHECK_FALSE(patience.spin([&looks] {
    ++looks;
    return false;
  }));
  return looks;
}

}  // namespace

TEST_CASE("vain spins get shorter until there is none, and what comes soon after restores them") {
  if (std::thread::hardware_concurrency() == 1) return;  // nobody spins there
  constexpr Nanos longest = 64'000;
  AdaptiveSpin patience(longest);
  CHECK(vain_looks(patience) > 0);
  int spins = 1;
  while (vain_looks(patience) > 0) ++spins;
  CHECK(spins == 7);  // of 64 us, 32, 16, ... 1
  patience.slept(longest);
  CHECK(vain_looks(patience) == 0);
  patience.slept(longest - 1);
  CHECK(vain_looks(patience) > 0);
}

TEST_CASE("a spin sees what comes, and that keeps it long") {
  if (std::thread::hardware_concurrency() == 1) return;
  AdaptiveSpin patience(64'000);
  for (int round = 0; round < 20; ++round) {
    while (vain_looks(patience) > 0) {
    }
    patience.slept(0);
    int left = 5;
    CHECK(patience.spin([&left] { return --left == 0; }));
  }
}

TEST_CASE("who has no patience does not spin, whatever comes") {
  AdaptiveSpin none(0);
  CHECK(vain_looks(none) == 0);
  none.slept(0);
  CHECK(vain_looks(none) == 0);
}
