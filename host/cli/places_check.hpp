// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/run_plan.hpp"

namespace backplane::host::cli {

/// Checks what the plan needs of the file system, as `run` finds it later: the socket, the data directory, and the
/// places of the modules. Creates nothing. Throws CommandFailure. A host that serves the socket now is no fault.
void check_places(const RunPlan& plan);

}  // namespace backplane::host::cli
