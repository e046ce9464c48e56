// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host::cli {

/// A connection to the Unix socket, past the hello if `says_hello`; it is the caller's. Throws CommandFailure.
int connect_to(const std::string& socket, bool says_hello);

}  // namespace backplane::host::cli
