// SPDX-License-Identifier: Apache-2.0
//
// What follows from how the types of an outline refer to each other.
#pragma once

#include "cddl/outline.hpp"

namespace backplane::host::cddl {

/// Makes types `any` whose values cannot be written in other languages, with warnings: those that contain themselves
/// without a structure between, and those without an end. So each cycle of types goes through a structure or a tagged
/// type. Gives default values the type of their members.
void settle_types(Outline& outline);

/// Sets `sent` and `received` of all types, from the calls, events and the configuration.
void mark_flow(Outline& outline);

}  // namespace backplane::host::cddl
