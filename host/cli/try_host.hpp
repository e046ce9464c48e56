// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"

namespace backplane::host::cli {

/// If the environment has it, this process is the one that `backplane try` started.
inline constexpr const char* try_host_variable = "BACKPLANE_TRY_HOST";

/// What that process does. It writes lines to descriptor 3: "begin STEP", "done STEP<tab>MS<tab>TEXT",
/// "refused STEP<tab>MS<tab>TEXT" and "left KIND<tab>TEXT".
int run_try_host(const Args& args);

}  // namespace backplane::host::cli
