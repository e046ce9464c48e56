// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/config_file.hpp"

namespace backplane::host::cli {

/// Compares the configuration of a module with its CDDL, as the host does when it loads the module. `section`: the
/// module's table, or null. Throws CommandFailure (usage) with the places in the file if it does not fit. Adds to
/// `unchecked` why something could not be checked.
void check_module_config(const std::string& module, const std::string& path, const std::string& cddl,
                         const ModuleSection* section, std::vector<std::string>& unchecked);

}  // namespace backplane::host::cli
