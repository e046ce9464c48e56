// SPDX-License-Identifier: Apache-2.0
//
// The dynamic loader: mapping a generation's private copy, and proving that it is gone again.
#pragma once

#include <vector>

namespace backplane::host {

struct Generation;
struct PinReason;

/// Maps generation.copy_path. Throws Failure (BP_LOAD_REFUSED) with the loader's words.
void map_object(Generation& generation);

/// Finds the module's entry and fills in generation.entry. Throws Failure (BP_LOAD_REFUSED).
void read_entry(Generation& generation);

/// Unmaps the object. Empty if it is gone, and proved so: the loader does not know its path any more,
/// and no mapped object has its path. Otherwise why it is still there. May be tried again.
std::vector<PinReason> unmap_object(Generation& generation);

}  // namespace backplane::host
