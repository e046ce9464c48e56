// SPDX-License-Identifier: Apache-2.0
#include "fiber_floor.hpp"
#include "fiber_turns.hpp"

namespace bench {
namespace {

Figure measure(const char* module, Effort effort) {
  return fiber_against(module, "create", raw_create, Rounds::of(effort, 50'000));
}

constexpr const char* against = "boost::context::fiber on a pooled stack";

constexpr Row rows[] = {
    {"fiber.create.c",
     "ns",
     "a fiber is made, runs, and ends by returning, through bp.fiber/1",
     against,
     {Reach::Of::ratio, Reach::Side::at_most, 3.0},
     [](Effort effort) { return measure("bench_c", effort); }},
    {"fiber.create.cpp",
     "ns",
     "the same through the SDK's class, with no exception on the way",
     against,
     {Reach::Of::ratio, Reach::Side::at_most, 3.0},
     [](Effort effort) { return measure("bench_cpp", effort); }},
};

}  // namespace

std::span<const Row> fiber_create_rows() { return rows; }

}  // namespace bench
