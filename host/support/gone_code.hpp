// SPDX-License-Identifier: Apache-2.0
//
// Where the objects of modules were that are unmapped. Their addresses stay reserved for a while, so that a call or an
// access that comes too late faults, and does not meet other code; and the crash line can say whose code it was.
#pragma once

#include <cstdint>
#include <ctime>
#include <string_view>

namespace backplane::host {

struct GoneCode {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  char module[64] = {};
  std::uint64_t generation = 0;
  std::time_t since = 0;  ///< seconds of CLOCK_MONOTONIC
};

/// Reserves the range of an object that was just unmapped, unless something else is mapped there by now. The last 64
/// stay, up to 256 MiB together; none where the address space of the process is limited. One thread at a time.
void reserve_gone_code(std::uintptr_t begin, std::uintptr_t end, std::string_view module,
                       std::uint64_t generation) noexcept;

/// The object that was at this address; null: none that is remembered. Async-signal-safe.
const GoneCode* gone_code_at(std::uintptr_t address) noexcept;

}  // namespace backplane::host
