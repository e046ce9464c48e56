// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "operation.hpp"
#include "world.hpp"

namespace stress {

/// The two modules, each built twice so that a reload has something to go to.
struct ModuleFiles {
  std::string coming[2];  ///< loaded and unloaded all the time
  std::string steady[2];  ///< only ever reloaded: no call of it may be lost to that
  bp_bytes config{};
};

/// Loads both.
void load_modules(World& world, const ModuleFiles& files);
/// Unloads both, waits until they are gone, and says so if they are not.
void unload_modules(World& world);

/// One thread that does operations.
struct Actor {
  explicit Actor(Operations of) : operations(of) {}
  Operations operations;
  std::atomic<Kind> doing{Kind::count};  ///< count: nothing any more
};

/// Does operations until `stop`, or until `limit` of them (if not 0) are done.
void act(World& world, const ModuleFiles& files, Actor& actor, std::uint64_t limit, const std::atomic<bool>& stop);

}  // namespace stress
