// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host::cli {

/// The path of this executable. Throws CommandFailure (usage) if /proc is not there.
std::string this_program();

/// The path of backplane-trial, which is installed beside this executable. Throws CommandFailure (usage) if it is not.
std::string trial_program();

}  // namespace backplane::host::cli
