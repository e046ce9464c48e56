// SPDX-License-Identifier: Apache-2.0
#include "support/lock_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "support/result.hpp"

namespace backplane::host {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& why, const std::string& hint) {
  throw Failure{BP_IO, what + ": " + why + "; " + hint};
}

[[noreturn]] void refuse(const std::string& path, const std::string& found) {
  throw Failure{BP_IO, "the lock file \"" + path + "\" " + found + "; expected a regular file of user " +
                           std::to_string(::geteuid()) + " with one name; remove it"};
}

/// Refuses what another user could have put there.
void check_owner(const std::string& path, const struct stat& info) {
  if (!S_ISREG(info.st_mode)) refuse(path, "is not a regular file");
  if (info.st_uid != ::geteuid()) refuse(path, "belongs to user " + std::to_string(info.st_uid));
  if (info.st_nlink > 1) refuse(path, "has " + std::to_string(info.st_nlink) + " names (hard links)");
}

LockFile::Outcome read_owner(int file) {
  std::array<char, 64> text{};
  LockFile::Outcome found;
  if (::pread(file, text.data(), text.size() - 1, 0) <= 0) return found;
  char* rest = text.data();
  found.owner = std::strtol(text.data(), &rest, 10);
  found.rest = rest;
  return found;
}

}  // namespace

LockFile::Outcome LockFile::try_lock(const std::string& path, const std::string& hint) {
  for (;;) {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
    if (!file && errno == ELOOP) refuse(path, "is a symbolic link");
    if (!file) fail("cannot open the lock file \"" + path + "\"", std::strerror(errno), hint);
    struct stat held {};
    if (::fstat(file.get(), &held) != 0) fail("cannot examine \"" + path + "\"", std::strerror(errno), hint);
    check_owner(path, held);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return read_owner(file.get());
      fail("cannot lock \"" + path + "\"", std::strerror(errno), hint);
    }
    path_ = path;
    file_ = std::move(file);
    if (!in_place()) continue;  // its last owner removed it between open() and flock()
    try {
      write("\n", hint);
    } catch (...) {
      remove();
      throw;
    }
    return {true, ::getpid(), {}};
  }
}

void LockFile::write(const std::string& rest, const std::string& hint) {
  const std::string text = std::to_string(::getpid()) + rest;
  if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), text.data(), text.size(), 0) < 0) {
    fail("cannot write to \"" + path_ + "\"", std::strerror(errno), hint);
  }
}

bool LockFile::in_place() const noexcept {
  struct stat held {};
  struct stat there {};
  return ::fstat(file_.get(), &held) == 0 && ::lstat(path_.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
         held.st_dev == there.st_dev;
}

void LockFile::remove() noexcept {
  if (!file_) return;
  if (in_place()) ::unlink(path_.c_str());  // while it is held: who opened it in the meantime sees that it is gone
  file_.reset();
}

// The short lock of this look could refuse a host that starts at this moment, so it is taken only if the text is
// wanted.
LockFile::Outcome read_lock(const std::string& path, const char* wanted) noexcept {
  try {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!file) return {};
    LockFile::Outcome found = read_owner(file.get());
    if (found.rest != wanted) return {};
    if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return {};
    return found;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace backplane::host
