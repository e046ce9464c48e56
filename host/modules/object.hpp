// SPDX-License-Identifier: Apache-2.0
//
// The dynamic loader: maps a generation's private copy, unmaps it, and checks that it is unmapped.
#pragma once

#include <vector>

namespace backplane::host {

struct Generation;
struct PinReason;

/// Maps generation.copy_path. Throws Failure (BP_LOAD_REFUSED) with the message of the dynamic loader.
void map_object(Generation& generation);

/// Finds the module's entry and fills in generation.entry. Throws Failure (BP_LOAD_REFUSED).
void read_entry(Generation& generation);

/// Unmaps the object. Returns nothing if the dynamic loader does not know its path any more and no mapped object has
/// it. Otherwise returns why the object is still mapped. May be repeated.
std::vector<PinReason> unmap_object(Generation& generation);

}  // namespace backplane::host
