// SPDX-License-Identifier: Apache-2.0
//
// The places that `backplane run` uses: its data directory and its socket. It looks at them before any module starts.
#include "cli/run_places.hpp"

#include <backplane/backplane.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/client.hpp"
#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/result.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host::cli {
namespace {

// Finds another host on the socket before any module touches its data. The server detects all other obstacles.
void refuse_second_host(const std::string& socket) {
  if (const long pid = stopping_host(socket); pid > 0) {
    throw CommandFailure{exit_usage, BP_IO,
                         cat("process ", std::to_string(pid), ", which served the socket \"", socket,
                             "\", is stopping; wait for it, or choose another path with --socket")};
  }
  struct stat info;
  if (::stat(socket.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const bp_connect_options options = {.struct_size = sizeof options, .timeout_ms = 1000, .socket_path = socket.c_str()};
  bp_context other;
  Result why;
  if (bp_context_connect(&options, &other, why.out()) != BP_OK) return;
  Result result;
  std::string pid;
  if (bp_host_status(other, result.out()) == BP_OK) pid = Value::read(result.payload())["pid"].text();
  bp_context_destroy(other);
  throw CommandFailure{exit_usage,
                       BP_IO,
                       cat("another host ", pid.empty() ? "" : cat("(pid ", pid, ") "), "serves ", socket,
                           "; choose another path with --socket, or stop that host"),
                       {},
                       cat("stop it with: backplane stop --socket ", socket)};
}

}  // namespace

// A module that fails later would only name its own file, not the directory.
void prepare_data_dir(const std::string& dir) {
  const auto fail = [&](const std::string& why) {
    throw CommandFailure{
        exit_usage,
        BP_IO,
        cat("the data directory \"", dir, "\" ", why, "; expected a directory that this user may write to"),
        {},
        "choose another directory with --data-dir DIR"};
  };
  std::error_code error;
  const bool fresh = std::filesystem::create_directories(dir, error);
  if (error) fail(cat("cannot be created: ", error.message()));
  if (fresh) ::chmod(dir.c_str(), 0700);
  if (!std::filesystem::is_directory(dir, error)) fail("is not a directory");
  if (::access(dir.c_str(), W_OK | X_OK) != 0) fail(cat("cannot be written to: ", std::strerror(errno)));
}

void prepare_socket(const std::string& socket) {
  try {
    prepare_socket_dir(socket);
  } catch (const Failure& failure) {
    throw CommandFailure{exit_usage, failure.status, failure.message};
  }
  refuse_second_host(socket);
}

}  // namespace backplane::host::cli
