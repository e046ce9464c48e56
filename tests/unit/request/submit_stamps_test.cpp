// SPDX-License-Identifier: Apache-2.0
#include "request/submit_stamps.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "ingress/lane.hpp"

using namespace backplane::host;

namespace {

using Wish = SubmitStamps::Wish;

std::uint64_t wanted(const SubmitStamps& stamps, std::uint64_t first, std::uint64_t count, std::uint64_t step) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += stamps.wish(first + i * step) != Wish::no ? 1 : 0;
  return sum;
}

std::uint64_t count_of(const CallStats& stats) {
  Distribution sum;
  stats.wait.add_to(sum);
  return sum.count;
}

}  // namespace

TEST_CASE("one call in thirty-two is measured, however it is counted, and at most 63 in a row are not") {
  const SubmitStamps stamps;
  for (const std::uint64_t step : {1, 2, 16, 31, 32, 33, 64, 1024}) {
    CAPTURE(step);
    CHECK(wanted(stamps, 12'345, 32'000, step) == Approx(1'000).margin(30));
  }
  std::uint64_t row = 0;
  std::uint64_t longest = 0;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    row = stamps.wish(i) != Wish::no ? 0 : row + 1;
    longest = std::max(longest, row);
  }
  CHECK(longest < 64);
}

TEST_CASE("a call counts by the chance that it had, and the change of it changes no count") {
  SubmitStamps stamps;
  CallStatsList list;
  CallStats& stats = *list.take();
  const Ticks length = SubmitStamps::long_wait_ticks();
  std::uint64_t number = 0;
  while (stamps.wish(number) == Wish::no) ++number;
  const Wish wish = stamps.wish(number);
  stamps.want_each();  // between the wish and the stamp, as a sampling submitter does that finds a stall
  const Ticks sampled = SubmitStamps::stamp(wish, 1'000'001);
  CHECK(wanted(stamps, 0, 1'000, 1) == 1'000);
  const Ticks exact = SubmitStamps::stamp(stamps.wish(0), 1'000'001);
  stamps.record(stats, SubmitStamps::waited(sampled, 1'000'000 + length / 4), 0, false);
  CHECK(count_of(stats) == 32);
  stamps.record(stats, SubmitStamps::waited(exact, 1'000'000 + length / 4), 0, false);
  CHECK(count_of(stats) == 33);
  CHECK(stats.long_waits.load() == 0);
  CHECK(wanted(stamps, 0, 1'000, 1) == 1'000);  // a short wait of a run that is not timed says too little
  stamps.record(stats, SubmitStamps::waited(exact, 1'000'000 + length / 4), 1, false);
  CHECK(wanted(stamps, 0, 1'000, 1) == 1'000);  // the name is new
  for (int i = 0; i < 64; ++i) stats.ran(50'000, 1);
  stamps.record(stats, SubmitStamps::waited(exact, 1'000'000 + length / 4), 1, false);
  CHECK(wanted(stamps, 0, 3'200, 1) == Approx(100).margin(5));
  stamps.want_each();
  stamps.record(stats, SubmitStamps::waited(exact, 1'000'000 + length / 4), CallStats::sample, false);
  CHECK(wanted(stamps, 0, 3'200, 1) == Approx(100).margin(5));
  stamps.record(stats, SubmitStamps::waited(exact, 1'000'000 + length + 100), 0, true);
  CHECK(stats.long_waits.load() == 1);
  CHECK(wanted(stamps, 0, 3'200, 1) == Approx(100).margin(5));  // it waited for a worker
  stamps.record(stats, SubmitStamps::waited(sampled, 1'000'000 + length + 100), 0, false);
  CHECK(stats.long_waits.load() == 33);
  CHECK(wanted(stamps, 0, 1'000, 1) == 1'000);
  CHECK(SubmitStamps::waited(exact, 5) != 0);
  CHECK(SubmitStamps::waited(SubmitStamps::exact(0), 0) != 0);
}

TEST_CASE("a producer finds out that an entry it noted still waits, and not before its time") {
  struct Item {
    Item* next;
  };
  using TestLane = Lane<Item, int>;
  TestLane* const lane = TestLane::make();
  REQUIRE(lane != nullptr);
  const auto send = [lane] {
    TestLane::Entry* const entry = lane->next_entry();
    entry->is_inline = true;
    entry->inline_call = 1;
    lane->publish(*entry);
  };
  CHECK_FALSE(lane->waits_since(1'000, 100));  // notes the next one
  send();
  CHECK_FALSE(lane->waits_since(1'099, 100));
  CHECK(lane->waits_since(1'100, 100));
  CHECK(lane->waits_since(9'000, 100));
  REQUIRE(lane->front() != nullptr);
  lane->pop();
  CHECK_FALSE(lane->waits_since(9'000, 100));
  send();
  send();
  lane->pop();
  CHECK_FALSE(lane->waits_since(9'100, 100));  // the noted one is gone, although another waits
  delete lane;
}
