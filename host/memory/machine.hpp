// SPDX-License-Identifier: Apache-2.0
//
// What the system says of memory.
#pragma once

#include <cstdint>
#include <string>

namespace backplane::host {

/// The memory that this process may use, in bytes: the physical memory, or the limit of its cgroup (v1 or v2) or of a
/// parent if that is smaller. At least 1. Throws std::bad_alloc.
std::uint64_t usable_memory();
/// As above, with other places than /proc/self/cgroup and /sys/fs/cgroup. For tests.
std::uint64_t usable_memory(std::uint64_t physical, const std::string& membership, const std::string& cgroups);

/// The resident memory of this process in bytes; 0 if unknown.
std::uint64_t resident_memory() noexcept;

}  // namespace backplane::host
