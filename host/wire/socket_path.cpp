// SPDX-License-Identifier: Apache-2.0
#include "wire/socket_path.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "support/lock_file.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// The folders that only Backplane uses. They must be private.
std::string runtime_dir() {
  const std::string base = environment("XDG_RUNTIME_DIR");
  return base.empty() ? base : base + "/backplane";
}
std::string temporary_dir() {
  std::string base = environment("TMPDIR");
  if (base.empty()) base = "/tmp";
  return base + "/backplane-" + std::to_string(::geteuid());
}

void check_length(const std::string& socket) {
  constexpr std::size_t room = sizeof(sockaddr_un::sun_path) - 1;
  if (socket.empty()) throw Failure{BP_INVALID_ARGUMENT, "the socket path is empty; give a path with --socket PATH"};
  if (socket.size() > room) {
    throw Failure{BP_INVALID_ARGUMENT, "the socket path \"" + socket + "\" has " + std::to_string(socket.size()) +
                                           " bytes, expected at most " + std::to_string(room) +
                                           "; choose a shorter path with --socket or BACKPLANE_SOCKET"};
  }
}

// `info` must come from lstat(), because a symbolic link is not a private folder.
void check_private(const std::string& folder, const struct stat& info) {
  const std::string hint = "; expected a folder of user " + std::to_string(::geteuid()) +
                           " with mode 0700; correct or remove it, or choose another path with --socket";
  if (!S_ISDIR(info.st_mode)) throw Failure{BP_IO, "the socket folder \"" + folder + "\" is not a folder" + hint};
  if (info.st_uid != ::geteuid()) {
    throw Failure{BP_IO, "the socket folder \"" + folder + "\" belongs to user " + std::to_string(info.st_uid) + hint};
  }
  if ((info.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(info.st_mode & 07777));
    throw Failure{BP_IO, "the socket folder \"" + folder + "\" is open to others (mode " + mode + ")" + hint};
  }
}

bool is_private(const std::string& folder) { return folder == runtime_dir() || folder == temporary_dir(); }

}  // namespace

std::string default_socket_path() {
  if (std::string socket = environment("BACKPLANE_SOCKET"); !socket.empty()) return socket;
  const std::string runtime = runtime_dir();
  return (runtime.empty() ? temporary_dir() : runtime) + "/backplane.sock";
}

std::string socket_folder(const std::string& socket) {
  const std::size_t slash = socket.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : socket.substr(0, slash);
}

long stopping_host(const std::string& socket) noexcept {
  try {
    return read_lock(socket_lock_path(socket), socket_lock_stopping).owner;
  } catch (const std::exception&) {
    return 0;
  }
}

void prepare_socket_dir(const std::string& socket) {
  check_length(socket);
  const std::string folder = socket_folder(socket);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    const int error = errno;
    // For an existing folder, mkdir() may also fail with another error than EEXIST, for example EROFS.
    struct stat info;
    if (::stat(folder.c_str(), &info) != 0) {
      throw Failure{BP_IO, "cannot create the socket folder \"" + folder + "\": " + std::strerror(error) +
                               "; create it, or choose another path with --socket"};
    }
  }
  check_socket_dir(socket);
}

void check_socket_dir(const std::string& socket) {
  check_length(socket);
  const std::string folder = socket_folder(socket);
  if (!is_private(folder)) return;
  struct stat info;
  if (::lstat(folder.c_str(), &info) == 0) check_private(folder, info);
}

}  // namespace backplane::host
