// SPDX-License-Identifier: Apache-2.0
//
// bp.fiber/1: fibers of a handler.
#include <backplane/ext/fiber.h>

#include "extensions/tables.hpp"
#include "request/fiber_api.hpp"

namespace backplane::host {

const bp_fiber_api fiber_table{sizeof(bp_fiber_api), 0,
                               fiber_api::open,      fiber_api::close,
                               fiber_api::create,    fiber_api::switch_to,
                               fiber_api::destroy,   fiber_api::active,
                               fiber_api::ended};

}  // namespace backplane::host
