// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/run_plan.hpp"

namespace backplane::host::cli {

/// The plan as a configuration file in TOML, with the origin of each value in a comment. Defaults are comments as a
/// whole. As a file, it means the same plan.
std::string config_text(const RunPlan& plan);

}  // namespace backplane::host::cli
