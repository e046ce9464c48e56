// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <thread>

#include "sync/adaptive_spin.hpp"

using namespace backplane::host;

namespace {

/// How often a vain spin looks.
int vain_looks(AdaptiveSpin& adaptive_spin) {
  int looks = 0;
  CHECK_FALSE(adaptive_spin.spin([&looks] {
    ++looks;
    return false;
  }));
  return looks;
}

}  // namespace

TEST_CASE("vain spins get shorter until there is none, and what comes soon after restores them") {
  if (std::thread::hardware_concurrency() == 1) return;  // nobody spins there
  constexpr Nanos longest = 64'000;
  AdaptiveSpin adaptive_spin(longest);
  CHECK(vain_looks(adaptive_spin) > 0);
  int spins = 1;
  while (vain_looks(adaptive_spin) > 0) ++spins;
  CHECK(spins == 7);  // of 64 us, 32, 16, ... 1
  adaptive_spin.slept(longest);
  CHECK(vain_looks(adaptive_spin) == 0);
  adaptive_spin.slept(longest - 1);
  CHECK(vain_looks(adaptive_spin) > 0);
}

TEST_CASE("a spin sees what comes, and that keeps it long") {
  if (std::thread::hardware_concurrency() == 1) return;
  AdaptiveSpin adaptive_spin(64'000);
  for (int round = 0; round < 20; ++round) {
    while (vain_looks(adaptive_spin) > 0) {
    }
    adaptive_spin.slept(0);
    int left = 5;
    CHECK(adaptive_spin.spin([&left] { return --left == 0; }));
  }
}

TEST_CASE("one of length 0 does not spin, whatever comes") {
  AdaptiveSpin none(0);
  CHECK(vain_looks(none) == 0);
  none.slept(0);
  CHECK(vain_looks(none) == 0);
}

TEST_CASE("a spin ends at the point of time that bounds it") {
  if (std::thread::hardware_concurrency() == 1) return;
  constexpr Nanos longest = 200'000'000;
  AdaptiveSpin adaptive_spin(longest);
  const Nanos begin = now();
  CHECK_FALSE(adaptive_spin.spin([] { return false; }, begin + 1'000'000));
  CHECK(now() - begin >= 1'000'000);
  CHECK(now() - begin < longest);
  CHECK(adaptive_spin.length() == longest / 2);
}

TEST_CASE("a loop of its own says what its spin was worth") {
  if (std::thread::hardware_concurrency() == 1) return;
  AdaptiveSpin adaptive_spin(4'000);
  CHECK(adaptive_spin.length() == 4'000);
  adaptive_spin.vain();
  CHECK(adaptive_spin.length() == 2'000);
  adaptive_spin.restore();
  CHECK(adaptive_spin.length() == 4'000);
  for (int i = 0; i < 3; ++i) adaptive_spin.vain();
  CHECK(adaptive_spin.length() == 0);
}
