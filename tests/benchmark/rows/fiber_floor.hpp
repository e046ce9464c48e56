// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace bench {

/// What Boost.Context itself costs for the same work: boost::context::fiber, with nothing around it.
/// 0 if not each of them ran. They throw std::bad_alloc.

/// Nanoseconds of one switch there and back, over `count` of them.
double raw_switch_pair(std::uint64_t count);

/// Nanoseconds of one fiber made, run and ended, over `count` of them, on a stack of 64 KiB out of a pool.
double raw_create(std::uint64_t count);

}  // namespace bench
