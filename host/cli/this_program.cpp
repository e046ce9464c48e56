// SPDX-License-Identifier: Apache-2.0
#include "cli/this_program.hpp"

#include <filesystem>

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {

std::string this_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) return self.string();
  throw CommandFailure{exit_usage, BP_IO, cat("/proc/self/exe cannot be read: ", error.message(), "; mount /proc")};
}

}  // namespace backplane::host::cli
