// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <thread>

#include "modules/call_stats.hpp"
#include "support/ticks.hpp"

using namespace backplane::host;

TEST_CASE("every value falls into a bucket whose middle is within 3.2 per cent of it") {
  double worst = 0;
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t value = random() >> (17 + random() % 47);  // all scales below 2^47
    const double middle = histogram::middle(histogram::bucket(value));
    worst = std::max(worst, std::abs(middle - static_cast<double>(value)) / std::max(1.0, static_cast<double>(value)));
  }
  CHECK(worst < 0.032);
  CHECK(worst > 0.02);  // it does measure
}

TEST_CASE("buckets are in order and none is left out") {
  for (std::size_t i = 1; i < histogram::octaves * histogram::per_octave; ++i) {
    REQUIRE(histogram::middle(i) > histogram::middle(i - 1));
    REQUIRE(histogram::bucket(static_cast<std::uint64_t>(histogram::middle(i))) == i);
  }
  CHECK(histogram::bucket(~std::uint64_t{0}) == histogram::octaves * histogram::per_octave - 1);
}

TEST_CASE("quantiles agree with those of the sorted values, for one histogram and for a sum of two") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> lengths(9, 2);
  Histogram one;
  Histogram two;
  std::vector<std::uint64_t> all;
  double total = 0;
  for (int i = 0; i < 30'000; ++i) {
    const auto value = static_cast<std::uint64_t>(lengths(random));
    (i % 3 == 0 ? one : two).record(value);
    all.push_back(value);
    total += static_cast<double>(value);
  }
  std::sort(all.begin(), all.end());
  Distribution sum;
  one.add_to(sum);
  two.add_to(sum);
  CHECK(sum.count == all.size());
  CHECK(sum.max == all.back());
  CHECK(sum.mean() == Approx(total / 30'000));
  for (const double part : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = static_cast<double>(all[static_cast<std::size_t>(part * 30'000)]);
    CHECK(sum.quantile(part) == Approx(exact).epsilon(0.05));
  }
  CHECK(sum.quantile(1) == static_cast<double>(all.back()));
  CHECK(Distribution().quantile(0.5) == 0);
}

TEST_CASE("a stats that was released goes on where its holder left it, and no two hold one at a time") {
  CallStatsList stats_list;
  CallStats* const first = stats_list.take();
  REQUIRE(first != nullptr);
  CallStats::add(first->calls, 5);
  CallStats* const second = stats_list.take();
  CHECK(second != first);
  CallStatsList::release(*first);
  CHECK(stats_list.take() == first);
  CHECK(first->calls == 5);

  constexpr int rounds = 2'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        CallStats* const mine = stats_list.take();
        CallStats::add(mine->calls);  // no read-modify-write: two holders would lose counts
        CallStatsList::release(*mine);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::uint64_t sum = 0;
  stats_list.each([&](const CallStats& stats) { sum += stats.calls; });
  CHECK(sum == 5 + 3 * rounds);
}

TEST_CASE("of short runs one in thirty-two is timed and stands for so many; a long one has all timed that follow") {
  CallStatsList stats_list;
  CallStats& stats = *stats_list.take();
  const auto call = [&](Ticks time) {
    const std::uint32_t weight = stats.weight_of_next();
    CallStats::add(stats.calls);
    if (weight != 0) stats.ran(time, weight);
    return weight != 0;
  };
  int timed = 0;
  for (int i = 0; i < 64; ++i) timed += call(100);
  CHECK(timed == 64);  // the first
  timed = 0;
  for (int i = 0; i < 800; ++i) timed += call(100);
  CHECK(timed == 25);
  Distribution sum;
  stats.run.add_to(sum);
  CHECK(sum.count == 864);
  CHECK(sum.mean() == 100);
  while (!call(1'000'000)) {
  }
  timed = 0;
  for (int i = 0; i < 64; ++i) timed += call(100);
  CHECK(timed == 64);
}

TEST_CASE("ticks agree with the steady clock, and a span never is negative") {
  const double unit = nanos_per_tick();
  for (int i = 0; i < 100; ++i) REQUIRE(nanos_per_tick() == unit);  // else a later report could contradict this one
  Ticks begin = 0;
  Ticks end = 0;
  // Between two readings that belong together the thread may lose its core: then once more.
  const auto agree = [&] {
    const Nanos time = now();
    begin = ticks();
    while (now() < time + 2 * nanos_per_ms) {
    }
    end = ticks();
    const Nanos passed = now() - time;
    return static_cast<double>(span(begin, end)) * unit == Approx(static_cast<double>(passed)).epsilon(0.02);
  };
  bool agreed = false;
  for (int i = 0; i < 200 && !agreed; ++i) agreed = agree();
  CHECK(agreed);
  CHECK(span(end, begin) == 0);
}
