// SPDX-License-Identifier: Apache-2.0
//
// A call that waits for its answer, while all is warm, and after a second in which nothing happened.
#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>

#include "../embedded.hpp"
#include "../module/orders.h"
#include "../rounds.hpp"
#include "floor_handover.hpp"

namespace bench {
namespace {

/// Nanoseconds of one call.
double round_trip(const Embedded& host) {
  std::array<std::uint8_t, 64> payload;
  payload.fill(0x5a);
  Result result;
  const std::uint64_t begin = bench_now();
  const bp_status status =
      bp_call_sync(host.context(), BP_STR("echo.raw"), {payload.data(), payload.size()}, 0, &result);
  const std::uint64_t took = bench_now() - begin;
  expect_ok(status, "echo.raw", result);
  if (result.payload.size != payload.size() || std::memcmp(result.payload.data, payload.data(), payload.size()) != 0) {
    throw std::runtime_error("the reply of echo.raw was not what had been sent");
  }
  return static_cast<double>(took);
}

Figure warm(Effort effort) {
  const Embedded host(BENCH_PLUGIN_DIR "/echo.so");
  SpinHandOver floor;
  const auto ours = [&](std::uint64_t count, std::vector<double>& out) {
    for (std::uint64_t i = 0; i < count; ++i) out.push_back(round_trip(host));
  };
  const auto theirs = [&](std::uint64_t count, std::vector<double>& out) { floor.samples(count, out); };
  return interleaved_samples(Rounds::of(effort, 2000), ours, theirs);
}

/// Each on a thread of its own, half a period apart, so that each time all threads concerned have been idle for a
/// whole one. Takes `samples` + 1/2 periods.
Figure idle(Effort effort) {
  using namespace std::chrono;
  const auto period = effort == Effort::smoke ? milliseconds(10) : milliseconds(1000);
  const int samples = effort == Effort::full ? 30 : effort == Effort::quick ? 8 : 2;
  const Embedded host(BENCH_PLUGIN_DIR "/echo.so");
  SleepHandOver floor;
  round_trip(host);
  floor.sample();
  const auto start = steady_clock::now();
  std::vector<double> values, floors;
  std::exception_ptr error;
  std::thread theirs([&] {
    for (int i = 1; i <= samples; ++i) {
      std::this_thread::sleep_until(start + period * i + period / 2);
      floors.push_back(floor.sample());
    }
  });
  try {
    for (int i = 1; i <= samples; ++i) {
      std::this_thread::sleep_until(start + period * i);
      values.push_back(round_trip(host));
    }
  } catch (...) {
    error = std::current_exception();
  }
  theirs.join();
  if (error) std::rethrow_exception(error);
  return {median(std::move(values)), median(std::move(floors))};
}

constexpr Row rows[] = {
    {"roundtrip.warm",
     "ns",
     "bp_call_sync of a 64-byte echo, one after another, median",
     "two threads that spin, there and back",
     {Reach::Of::ratio, Reach::Side::at_most, 3},
     warm,
     true},
    {"roundtrip.idle",
     "ns",
     "the same after 1 s in which nothing happened, median",
     "two threads that sleep on futexes, there and back, after 1 s",
     {Reach::Of::ratio, Reach::Side::at_most, 1.3},
     idle},
};

}  // namespace

std::span<const Row> roundtrip_rows() { return rows; }

}  // namespace bench
