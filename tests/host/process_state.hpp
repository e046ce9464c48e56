// SPDX-License-Identifier: Apache-2.0
//
// What the process and its host hold at the moment.
#pragma once

#include <dirent.h>

#include <fstream>

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

/// The status-report, read.
inline Value status_of(bp_context context) {
  Result result;
  REQUIRE(bp_host_status(context, &result) == BP_OK);
  return Value::of(result.text());
}

}  // namespace host_test
