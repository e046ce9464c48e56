// SPDX-License-Identifier: Apache-2.0
#include "cli/places_check.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/failure.hpp"
#include "cli/output.hpp"
#include "support/result.hpp"
#include "wire/socket_path.hpp"

namespace backplane::host::cli {
namespace {

namespace fs = std::filesystem;

// Why this user cannot make files in `dir`; empty if it can.
std::string obstacle(const fs::path& dir) {
  std::error_code error;
  if (!fs::is_directory(dir, error)) return error ? error.message() : std::string("it is not a directory");
  return ::access(dir.c_str(), W_OK | X_OK) == 0 ? std::string() : std::string(std::strerror(errno));
}

void check_socket(const std::string& socket) {
  try {
    check_socket_dir(socket);
  } catch (const Failure& failure) {
    throw usage(failure.message);
  }
  const auto fail = [&](const std::string& why) {
    throw usage(cat("the socket \"", socket, "\" cannot be made: ", why), "choose another path with --socket PATH");
  };
  struct stat info {};
  if (::lstat(socket.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) fail("a file that is not a socket is there");
  const fs::path folder = fs::absolute(socket).parent_path();
  std::error_code error;
  // `run` makes one missing folder.
  const fs::path existing = fs::exists(folder, error) ? folder : folder.parent_path();
  if (const std::string why = obstacle(existing); !why.empty()) fail(cat(existing.string(), ": ", why));
}

void check_dir(const char* what, const std::string& dir, const char* option) {
  fs::path existing = fs::absolute(dir);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) {
    if (error && error != std::errc::no_such_file_or_directory) break;
    existing = existing.parent_path();
  }
  const std::string why = obstacle(existing);
  if (why.empty()) return;
  throw usage(cat("the ", what, " \"", dir, "\" cannot be used: ", existing.string(), ": ", why,
                  "; expected a directory that this user may write to"),
              cat("choose another directory with ", option, " DIR"));
}

void check_module(const PlannedModule& module, const std::vector<std::string>& allowed) {
  if (allowed.empty()) return;
  std::error_code error;
  const fs::path real = fs::canonical(module.path, error);
  std::string all;
  for (const std::string& directory : allowed) {
    const fs::path base = fs::canonical(directory, error);
    all += cat(all.empty() ? "" : ", ", directory);
    if (std::mismatch(base.begin(), base.end(), real.begin(), real.end()).first == base.end()) return;
  }
  throw CommandFailure{exit_refused, BP_LOAD_REFUSED,
                       cat(module.path, ": it lies at ", real.string(), ", outside allowed_dirs (", all,
                           "); move it there, or allow its directory")};
}

}  // namespace

void check_places(const RunPlan& plan) {
  check_socket(plan.socket);
  for (const ListenOptions& each : plan.server.listen) check_socket(each.path);
  check_dir("data directory", plan.data_dir, "--data-dir");
  if (!plan.module_cache.empty()) {
    check_dir("directory for private copies of modules", plan.module_cache, "--module-cache");
  }
  for (const PlannedModule& module : plan.modules) check_module(module, plan.allowed_dirs);
}

}  // namespace backplane::host::cli
