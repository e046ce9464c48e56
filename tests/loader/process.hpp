// SPDX-License-Identifier: Apache-2.0
//
// What this process has: mapped objects, descriptors, threads. And files for a test.
#pragma once

#include <link.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "temp_dir.hpp"

/// The mapped objects whose path contains `part`; private copies of modules lie in directories called
/// backplane-modules-….
inline std::vector<std::string> mapped_objects(const std::string& part = "/backplane-modules-") {
  struct Search {
    const std::string& part;
    std::vector<std::string> found;
  } search{part, {}};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& into = *static_cast<Search*>(data);
        if (std::string(info->dlpi_name).find(into.part) != std::string::npos) into.found.push_back(info->dlpi_name);
        return 0;
      },
      &search);
  return search.found;
}

/// How many mappings of private copies the kernel knows.
inline int copies_in_maps() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("/backplane-modules-") != std::string::npos;
  return count;
}

inline std::ptrdiff_t entries(const std::string& directory) {
  return std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator());
}
inline std::ptrdiff_t descriptors() { return entries("/proc/self/fd"); }
inline std::ptrdiff_t threads() { return entries("/proc/self/task"); }

inline std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Writes into the file that is there, or a new one of mode 0644.
inline std::string write_all(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  ::chmod(path.c_str(), 0644);
  return path;
}

/// A module that tests/modules makes.
inline std::string module_file(const std::string& name) { return BP_TEST_BUILD_DIR "/tests/modules/" + name + ".so"; }
