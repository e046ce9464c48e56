// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host {

/// The path of the program for trial loads that is installed with this library: in a directory beside the library, with
/// the library's major version in its name. So packages of two major versions can be installed at once. The build tree
/// has the same layout. Empty if /proc cannot be read.
std::string installed_trial_program();

}  // namespace backplane::host
