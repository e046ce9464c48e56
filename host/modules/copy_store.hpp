// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "support/unique_fd.hpp"

namespace backplane::host {

/// A directory of this process's own where each generation gets a private copy of its file. The loader
/// tells objects apart by name and inode, so a new generation must be a new file; and a file that
/// nobody else touches cannot be changed under a running module.
///
/// The process holds a lock on its directory for as long as it lives. Directories of this user's that
/// nobody holds were left by hosts that were killed; they are removed when a new one is made.
class CopyStore {
 public:
  /// `made` is told of the directory when it is made: it is to go when the process ends, and not
  /// before, so that debuggers find the copies.
  explicit CopyStore(std::function<void(const std::filesystem::path&)> made) : made_(std::move(made)) {}
  CopyStore(const CopyStore&) = delete;
  CopyStore& operator=(const CopyStore&) = delete;

  /// Writes `bytes` to a fresh file named after module and generation; its path. Throws Failure (BP_IO).
  std::filesystem::path add(const std::string& module, std::uint64_t generation, std::span<const std::uint8_t> bytes);

  /// Removes the copy of a generation that was refused and is not mapped.
  static void drop(const std::filesystem::path& copy) noexcept;

 private:
  void make_directory();

  const std::function<void(const std::filesystem::path&)> made_;
  std::filesystem::path directory_;
  UniqueFd lock_;             // the directory's; closed when the process ends, however it does
  std::uint64_t serial_ = 0;  // a generation that was refused leaves its number to the next try
};

}  // namespace backplane::host
