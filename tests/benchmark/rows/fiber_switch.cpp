// SPDX-License-Identifier: Apache-2.0
#include "fiber_floor.hpp"
#include "fiber_turns.hpp"

namespace bench {
namespace {

Figure measure(const char* module, Effort effort) {
  return fiber_against(module, "switch", raw_switch_pair, Rounds::of(effort, 200'000));
}

constexpr const char* against = "a pair of boost::context::fiber";

constexpr Row rows[] = {
    {"fiber.switch.c",
     "ns",
     "main switches to a fiber and back, through bp.fiber/1",
     against,
     {Reach::Of::ratio, Reach::Side::at_most, 2.0},
     [](Effort effort) { return measure("bench_c", effort); }},
    {"fiber.switch.cpp",
     "ns",
     "main switches to a fiber and back, through the SDK's class",
     against,
     {Reach::Of::ratio, Reach::Side::at_most, 2.5},
     [](Effort effort) { return measure("bench_cpp", effort); }},
};

}  // namespace

std::span<const Row> fiber_switch_rows() { return rows; }

}  // namespace bench
