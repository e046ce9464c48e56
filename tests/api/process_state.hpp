// SPDX-License-Identifier: Apache-2.0
//
// What the process and its host hold at the moment.
#pragma once

#include <dirent.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "cbor_value.hpp"
#include "fixture.hpp"

namespace host_test {

inline std::size_t entries_of(const char* directory) {
  DIR* const dir = ::opendir(directory);
  REQUIRE(dir != nullptr);
  std::size_t count = 0;
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}
inline std::size_t descriptors() { return entries_of("/proc/self/fd"); }
inline std::size_t threads() { return entries_of("/proc/self/task"); }

/// Resident memory, in bytes.
inline std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t pages = 0;
  file >> all >> pages;
  return pages * 4096;
}

/// How often the threads of that name have left their cores, or been taken off them.
inline std::uint64_t switches_of(const std::string& name) {
  std::uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    std::string line;
    std::getline(status, line);
    if (line != "Name:\t" + name) continue;
    while (std::getline(status, line)) {
      const std::size_t at = line.find("ctxt_switches:");
      if (at != std::string::npos) sum += std::stoull(line.substr(at + 14));
    }
  }
  return sum;
}

/// The status-report, read.
inline Value status_of(bp_context context) {
  Result result;
  REQUIRE(bp_host_status(context, &result) == BP_OK);
  return Value::of(result.text());
}

}  // namespace host_test
