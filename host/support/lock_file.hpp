// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "support/unique_fd.hpp"

namespace backplane::host {

/// A lock (flock) on a file that contains the process id of its owner. The lock ends with the process, however that
/// ends. The file is opened only if it is a regular file of this user with one name, and never through a link: what a
/// link names could be anybody's.
class LockFile {
 public:
  /// What try_lock() has found.
  struct Outcome {
    bool locked = false;
    long owner = 0;    ///< if another process has the lock: its id, or 0 if the file does not say it
    std::string rest;  ///< if another process has the lock: the text after the id
  };

  LockFile() = default;
  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&&) = default;

  /// Creates the file if it is missing, locks it, and writes this process's id to it. `hint` says what to do about an
  /// error. Throws Failure (BP_IO).
  Outcome try_lock(const std::string& path, const std::string& hint);
  /// Replaces the text of the file: the process id, then `rest`. The lock must be held. Throws Failure (BP_IO).
  void write(const std::string& rest, const std::string& hint);
  /// Whether the path still leads to the locked file.
  bool in_place() const noexcept;
  /// Removes the file and the lock. Does nothing without a lock.
  void remove() noexcept;
  /// Closes the file. If another process has the descriptor too, that one keeps the lock.
  void close() noexcept { file_.reset(); }
  explicit operator bool() const noexcept { return static_cast<bool>(file_); }

 private:
  std::string path_;
  UniqueFd file_;
};

/// As LockFile::try_lock() if another process holds the lock, and the text after its id is `wanted`. Otherwise the
/// owner is 0. Changes nothing.
LockFile::Outcome read_lock(const std::string& path, const char* wanted) noexcept;

}  // namespace backplane::host
