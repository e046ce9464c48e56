// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>

#include "../host.hpp"
#include "../row.hpp"

namespace bench {
namespace {

constexpr std::uint64_t many = 100'000;

std::uint64_t how_many(Effort effort) { return effort == Effort::smoke ? 1000 : many; }

/// In the first run of a fresh process: nothing lies ready that an earlier run has paid for.
Figure memory(const char* module, Effort effort) {
  Host host(module);
  const std::uint64_t count = how_many(effort);
  const bench_report report = host.order("many", {count, 0, 0});
  if (report.resident_before == 0 || report.resident_after <= report.resident_before) {
    throw std::runtime_error("expected the process to grow, found " + std::to_string(report.resident_before) +
                             " bytes in memory before and " + std::to_string(report.resident_after) +
                             " after; is /proc mounted?");
  }
  const auto grown = static_cast<double>(report.resident_after - report.resident_before);
  return {grown / static_cast<double>(count), {}};
}

/// The fastest of few runs; see rounds.hpp.
Figure cancel(const char* module, bool close, Effort effort) {
  Host host(module);
  const bench_order order{how_many(effort), close ? 1u : 0u, 0};
  std::uint64_t best = UINT64_MAX;
  for (int i = effort == Effort::full ? 5 : 2; i > 0; --i) {
    best = std::min(best, host.order("many", order).nanoseconds);
  }
  return {static_cast<double>(best) / 1e9, {}};
}

constexpr Reach in_10_kib = {Reach::Of::value, Reach::Side::at_most, 10240};
constexpr Reach in_two_seconds = {Reach::Of::value, Reach::Side::at_most, 2};

constexpr Row rows[] = {
    {"fiber.memory.c", "B", "memory of each of 100000 fibers that are suspended at once", "", in_10_kib,
     [](Effort effort) { return memory("bench_c", effort); }},
    {"fiber.memory.cpp", "B", "the same with fibers of the SDK's class", "", in_10_kib,
     [](Effort effort) { return memory("bench_cpp", effort); }},
    {"fiber.cancel.c", "s", "100000 suspended fibers are destroyed one by one", "", in_two_seconds,
     [](Effort effort) { return cancel("bench_c", false, effort); }},
    {"fiber.cancel.cpp", "s", "the same with the SDK's class: each is unwound by an exception", "", in_two_seconds,
     [](Effort effort) { return cancel("bench_cpp", false, effort); }},
    {"fiber.close.c", "s", "100000 suspended fibers end because their environment does", "", in_two_seconds,
     [](Effort effort) { return cancel("bench_c", true, effort); }},
    {"fiber.close.cpp", "s", "the same with the SDK's class: each is unwound by an exception", "", in_two_seconds,
     [](Effort effort) { return cancel("bench_cpp", true, effort); }},
};

}  // namespace

std::span<const Row> fiber_many_rows() { return rows; }

}  // namespace bench
