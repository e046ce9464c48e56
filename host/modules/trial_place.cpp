// SPDX-License-Identifier: Apache-2.0
#include "modules/trial_place.hpp"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace backplane::host {
namespace {

// The directory of the file that this code is mapped from. It asks /proc, because the path that the dynamic loader
// knows may be relative to a directory that the process has left.
std::filesystem::path own_directory() {
  const auto self = reinterpret_cast<std::uintptr_t>(&own_directory);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2 || self < begin || self >= end) continue;
    const std::size_t at = line.find('/');
    return at == std::string::npos ? std::filesystem::path() : std::filesystem::path(line.substr(at)).parent_path();
  }
  return {};
}

}  // namespace

std::string installed_trial_program() {
  const std::filesystem::path directory = own_directory();
  return directory.empty() ? std::string() : (directory / BP_SUPPORT_DIR / "backplane-trial").string();
}

}  // namespace backplane::host
