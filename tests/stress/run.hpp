// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "options.hpp"
#include "world.hpp"

namespace stress {

/// What a run leaves for the report.
struct Outcome {
  double seconds = 0;
  std::uint64_t hashed = 0;           ///< operations of each thread that the hashes are of
  std::vector<std::uint64_t> hashes;  ///< by thread; 0: it did not come to so many
};

/// The whole of it: hammers until the time or the operations are over, or `interrupted`, then ends everything.
Outcome run(World& world, const Options& options, const std::atomic<bool>& interrupted);

/// Writes the counts to stdout; whether all is well.
bool report(const World& world, const Options& options, const Outcome& outcome);

}  // namespace stress
