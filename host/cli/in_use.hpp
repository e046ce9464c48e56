// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host::cli {

/// What `backplane --version` prints: the versions of this program and of the library that it has loaded. It also names
/// the files that are in use, because several installations may lie side by side.
std::string version_text(bool json);

}  // namespace backplane::host::cli
