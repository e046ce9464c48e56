// SPDX-License-Identifier: Apache-2.0
//
// Which object of the process an address belongs to, for signal handlers. They may not ask the dynamic loader, which
// may hold its lock. So this reads /proc/self/maps, and the headers of the objects in memory.
#pragma once

#include <cstdint>

namespace backplane::host {

struct MappedObject {
  std::uintptr_t begin = 0;  ///< the address of its ELF header
  std::uintptr_t end = 0;
  std::uintptr_t bias = 0;  ///< what its own addresses are shifted by
  char build_id[41] = {};   ///< hexadecimal; empty: it has none
  char name[64] = {};       ///< the last part of its path
};

/// Notes what is mapped now. One thread at a time. Async-signal-safe.
void note_mapped_objects() noexcept;

/// The object of an address, as last noted; null: none, or /proc cannot be read. Async-signal-safe.
const MappedObject* mapped_object_at(std::uintptr_t address) noexcept;

}  // namespace backplane::host
