// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>

namespace backplane::host {

/// What is wrong with the options of a load or reload, widened to this version; null: nothing.
inline const char* load_fault(const bp_load_options& options) noexcept {
  constexpr std::uint32_t known =
      BP_LOAD_SETTINGS | BP_LOAD_UNLOAD_NEVER | BP_LOAD_OLD_FIRST | BP_LOAD_STRICT | BP_LOAD_COMPARE;
  constexpr std::uint64_t least_stack = 16'384;
  constexpr std::uint64_t most_stack = std::uint64_t{1} << 30;
  constexpr std::uint32_t most_workers = 256;
  if ((options.flags & ~known) != 0) {
    return "the flags of the load options have a bit that this version does not know; expected BP_LOAD_…";
  }
  if (options.stack_size != 0 && (options.stack_size < least_stack || options.stack_size > most_stack)) {
    return "stack_size of the load options is out of range; expected 16384 to 1073741824 bytes, or 0";
  }
  if (options.workers > most_workers) return "workers of the load options is above 256; expected 1 to 256, or 0";
  return nullptr;
}

}  // namespace backplane::host
