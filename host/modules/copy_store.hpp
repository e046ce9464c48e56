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

/// A directory of this process with a private copy of each generation's file. The dynamic loader identifies objects by
/// name and inode, so each generation needs a new file. A private file also cannot change under a running module.
///
/// The process locks its directory until it ends. An unlocked directory of this user belongs to a host that was killed;
/// the next host removes it when it creates its own.
class CopyStore {
 public:
  /// Calls `made` with the directory after creating it. `made` must have the directory removed when the process ends,
  /// but not earlier: debuggers need the copies.
  explicit CopyStore(std::function<void(const std::filesystem::path&)> made) : made_(std::move(made)) {}
  CopyStore(const CopyStore&) = delete;
  CopyStore& operator=(const CopyStore&) = delete;

  /// Checks a directory for the directories of copies, and creates it, with mode 0700, if it is missing. Throws Failure
  /// (BP_IO): it cannot be made or written to, others could replace what is in it, or it is mounted noexec.
  static void prepare(const std::filesystem::path& parent);
  /// Where this process makes its directory; empty: in the directory for temporary files. Before the first copy.
  void use(std::filesystem::path parent) { parent_ = std::move(parent); }

  /// Writes `bytes` to a new file, named after module and generation, and returns its path. Throws Failure (BP_IO).
  std::filesystem::path add(const std::string& module, std::uint64_t generation, std::span<const std::uint8_t> bytes);

  /// Removes the copy of a generation that was refused and is not mapped.
  static void drop(const std::filesystem::path& copy) noexcept;

 private:
  void make_directory();
  /// What sets the place, for errors.
  const char* key() const noexcept { return parent_.empty() ? "TMPDIR or module_cache" : "module_cache"; }

  const std::function<void(const std::filesystem::path&)> made_;
  std::filesystem::path parent_;
  std::filesystem::path directory_;
  UniqueFd lock_;             // locks the directory; the kernel closes it even if the process crashes
  std::uint64_t serial_ = 0;  // makes file names unique: after a refusal, the next load has the same generation number
};

}  // namespace backplane::host
