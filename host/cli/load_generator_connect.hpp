// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "support/unique_fd.hpp"

namespace backplane::host::cli {

/// A connection to the Unix socket, past the hello if `says_hello`. Throws CommandFailure.
UniqueFd connect_to(const std::string& socket, bool says_hello);

}  // namespace backplane::host::cli
