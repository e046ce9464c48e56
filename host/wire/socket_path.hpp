// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host {

/// The default path of the socket: $BACKPLANE_SOCKET, else $XDG_RUNTIME_DIR/backplane/backplane.sock, else <temporary
/// directory>/backplane-<uid>/backplane.sock. An empty variable counts as not set. Touches no file.
std::string default_socket_path();

/// Prepares the folder for a socket at `socket`. Creates a missing folder (one level only) with mode 0700. A folder
/// that default_socket_path() chose must belong to the user and be closed to all others. Throws Failure:
/// BP_INVALID_ARGUMENT if the path does not fit a socket address, BP_IO for the folder.
void prepare_socket_dir(const std::string& socket);

/// The same checks before connecting. Creates nothing, and accepts a missing folder.
void check_socket_dir(const std::string& socket);

}  // namespace backplane::host
