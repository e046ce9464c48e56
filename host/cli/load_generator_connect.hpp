// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host::cli {

/// Connects to the Unix socket, and exchanges hellos if `says_hello`. The caller owns the descriptor. Throws
/// CommandFailure.
int connect_to(const std::string& socket, bool says_hello);

}  // namespace backplane::host::cli
