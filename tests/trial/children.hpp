// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "process.hpp"

/// The processes whose parent is this one, also those that wait() does not find.
inline std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> all;
  for (const auto& each : std::filesystem::directory_iterator("/proc")) {
    if (std::atoi(each.path().filename().c_str()) == 0) continue;
    const std::string stat = read_all(each.path() / "stat");  // "ID (NAME) STATE PARENT …"
    const std::size_t at = stat.rfind(") ");
    if (at != std::string::npos && std::atoi(stat.c_str() + at + 4) == parent) all.push_back(std::atoi(stat.c_str()));
  }
  return all;
}
