// SPDX-License-Identifier: Apache-2.0
//
// bp.fiber/1: fibers of a handler.
#include <backplane/ext/fiber.h>

#include "extensions/tables.hpp"
#include "request/loop.hpp"

namespace backplane::host {

const bp_fiber_api fiber_api{sizeof(bp_fiber_api),       0,
                             RequestLoop::fiber_open,    RequestLoop::fiber_close,
                             RequestLoop::fiber_create,  RequestLoop::fiber_switch,
                             RequestLoop::fiber_destroy, RequestLoop::fiber_active,
                             RequestLoop::fiber_ended};

}  // namespace backplane::host
