// SPDX-License-Identifier: Apache-2.0
#include "cli/trial_program.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

constexpr const char* way_out = "; without it, add --no-trial or trial_load = false";

}  // namespace

std::string this_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) return self.string();
  throw CommandFailure{exit_usage, BP_IO,
                       cat("/proc/self/exe cannot be read: ", error.message(), "; mount /proc", way_out)};
}

std::string trial_program() {
  std::string path = (std::filesystem::path(this_program()).parent_path() / "backplane-trial").string();
  if (::access(path.c_str(), X_OK) == 0) return path;
  throw CommandFailure{exit_usage, BP_IO,
                       cat("the program for trial loads, ", path, ", cannot be run: ", std::strerror(errno),
                           "; install backplane-trial beside this program", way_out)};
}

}  // namespace backplane::host::cli
