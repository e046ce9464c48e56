// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace backplane::host {

/// The default path of the socket: $BACKPLANE_SOCKET, else $XDG_RUNTIME_DIR/backplane/backplane.sock, else <temporary
/// directory>/backplane-<uid>/backplane.sock. An empty variable counts as not set. Touches no file.
std::string default_socket_path();

/// The path of the lock file beside a socket. It has the process id of the host, and then, while that stops, this text.
inline std::string socket_lock_path(const std::string& socket) { return socket + ".lock"; }
inline constexpr const char* socket_lock_stopping = " stopping\n";

/// The folder of a socket.
std::string socket_folder(const std::string& socket);

/// The process id of the host that served the socket and is stopping; 0 if there is none.
long stopping_host(const std::string& socket) noexcept;

/// Prepares the folder for a socket at `socket`. Creates a missing folder (one level only) with mode 0700. A folder
/// that default_socket_path() chose must belong to the user and be closed to all others. Throws Failure:
/// BP_INVALID_ARGUMENT if the path does not fit a socket address, BP_IO for the folder.
void prepare_socket_dir(const std::string& socket);

/// The same checks before connecting. Creates nothing, and accepts a missing folder.
void check_socket_dir(const std::string& socket);

}  // namespace backplane::host
