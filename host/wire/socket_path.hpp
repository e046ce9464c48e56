// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host {

/// Where a host serves, and applications look for it, if nobody says: $BACKPLANE_SOCKET, else
/// $XDG_RUNTIME_DIR/backplane/backplane.sock, else <temporary directory>/backplane-<uid>/backplane.sock.
/// An empty variable counts as none. Touches no file.
std::string default_socket_path();

/// Makes sure that a socket can be bound at `socket`: the path fits a socket address, and its folder
/// is there, made with mode 0700 if it was not (one level only). A folder that default_socket_path()
/// chose must be the user's own and closed to all others. Throws Failure: BP_INVALID_ARGUMENT for the
/// path, BP_IO for the folder.
void prepare_socket_dir(const std::string& socket);

/// For those who connect: the same checks, making nothing. A folder that is missing passes.
void check_socket_dir(const std::string& socket);

}  // namespace backplane::host
