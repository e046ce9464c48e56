// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace backplane {

/// Reads a module's file, once: what is checked and what is run are the same bytes. Throws Failure
/// (BP_LOAD_REFUSED) if it cannot be read, is no regular file, may be written by others than its owner
/// and root, is owned by a third user, or lies in none of `allowed` (empty: anywhere).
std::vector<std::uint8_t> read_module_file(const std::filesystem::path& path,
                                           const std::vector<std::filesystem::path>& allowed);

/// The same for a file that is only to be looked at: whose it is and where it lies do not matter.
std::vector<std::uint8_t> read_any_file(const std::filesystem::path& path);

/// A directory of this process's own where each generation gets a private copy of its file. The loader
/// tells objects apart by name and inode, so a new generation must be a new file; and a file that
/// nobody else touches cannot be changed under a running module.
class CopyStore {
 public:
  /// `made` is told of the directory when it is made: it is to go when the process ends, and not
  /// before, so that debuggers find the copies.
  explicit CopyStore(std::function<void(const std::filesystem::path&)> made) : made_(std::move(made)) {}
  CopyStore(const CopyStore&) = delete;
  CopyStore& operator=(const CopyStore&) = delete;

  /// Writes `bytes` to a fresh file named after module and generation; its path. Throws Failure (BP_IO).
  std::filesystem::path add(const std::string& module, std::uint64_t generation, std::span<const std::uint8_t> bytes);

 private:
  const std::function<void(const std::filesystem::path&)> made_;
  std::filesystem::path directory_;
  std::uint64_t serial_ = 0;  // a generation that was refused leaves its number to the next try
};

}  // namespace backplane
