// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host::cli {

/// The path of this executable. Throws CommandFailure (usage) if /proc is not there.
std::string this_program();

}  // namespace backplane::host::cli
