// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host::cli {

/// Creates the directory if it is missing, with mode 0700. Throws CommandFailure (usage) if modules cannot write to it.
void prepare_data_dir(const std::string& dir);

/// Prepares the folder of the socket. Throws CommandFailure (usage) if another host serves the socket or stops on it,
/// or if the folder is unusable.
void prepare_socket(const std::string& socket);

}  // namespace backplane::host::cli
