// SPDX-License-Identifier: Apache-2.0
#include "modules/copy_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "support/directory.hpp"
#include "support/result.hpp"

namespace backplane::host {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view directory_prefix = "backplane-modules-";

std::string system_text() { return std::generic_category().message(errno); }

UniqueFd open_directory(const fs::path& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Whether `path` still names the directory that `fd` has open.
bool is_same(const fs::path& path, int fd) {
  struct stat named {};
  struct stat opened {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

// Removes the directories of hosts that have ended. Each host locks its own directory right after creating it, and
// sweep() locks a directory before removing it. So a directory in use is never removed, even if process ids repeat.
void sweep(const fs::path& temporary) {
  std::error_code ignored;
  for (const std::string& name : names_in(temporary.string(), ignored)) {
    if (!name.starts_with(directory_prefix)) continue;
    const fs::path path = temporary / name;
    const UniqueFd directory = open_directory(path);
    struct stat status {};
    if (!directory || ::fstat(directory.get(), &status) != 0 || status.st_uid != ::geteuid()) continue;
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0 || !is_same(path, directory.get())) continue;
    for (const std::string& copy : names_in(path.string(), ignored)) ::unlink((path / copy).c_str());
    ::rmdir(path.c_str());
  }
}

bool is_noexec(const fs::path& path) {
  struct statvfs system {};
  return ::statvfs(path.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0;
}

[[noreturn]] void fail_noexec(const fs::path& path, const std::string& key) {
  throw Failure{BP_IO, "the directory for private copies of modules, " + path.string() +
                           ", is mounted noexec, so nothing there can be mapped as code; set " + key +
                           " to a directory on a file system without noexec"};
}

}  // namespace

void CopyStore::prepare(const fs::path& parent) {
  const auto refuse = [&parent](const std::string& why, const std::string& expected) {
    throw Failure{BP_IO, "the directory for private copies of modules, " + parent.string() + ", " + why +
                             "; set module_cache to " + expected};
  };
  const std::string writable = "a directory that this host may write to";
  struct stat status {};
  if (::stat(parent.c_str(), &status) != 0) {
    std::error_code error;
    const bool fresh = fs::create_directories(parent, error);
    if (error) refuse("cannot be created: " + error.message(), writable);
    if (fresh) ::chmod(parent.c_str(), 0700);
    if (::stat(parent.c_str(), &status) != 0) refuse("cannot be looked at: " + system_text(), writable);
  }
  if (!S_ISDIR(status.st_mode)) refuse("is not a directory", writable);
  // The owner may replace what is in it, whatever its mode.
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    refuse("belongs to user " + std::to_string(status.st_uid),
           "a directory of root or of user " + std::to_string(::geteuid()) + " (the user of this host)");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0) {
    refuse("lets other users replace what is in it",
           "a directory where only its owner may write, or run chmod go-w on it");
  }
  if (::access(parent.c_str(), W_OK | X_OK) != 0) refuse("cannot be written to: " + system_text(), writable);
  if (is_noexec(parent)) fail_noexec(parent, "module_cache");
}

void CopyStore::make_directory() {
  std::error_code error;
  fs::path temporary = parent_.empty() ? fs::temp_directory_path(error) : parent_;
  if (error) temporary = "/tmp";
  if (!parent_.empty()) prepare(parent_);  // it may have been removed meanwhile
  sweep(temporary);
  for (;;) {
    std::string pattern =
        (temporary / (std::string(directory_prefix) + std::to_string(::getpid()) + "-XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) {  // mode 0700
      throw Failure{BP_IO, "cannot create a directory for private copies of modules in " + temporary.string() + ": " +
                               system_text() + "; set " + key() + " to a directory that this host may write to"};
    }
    if (is_noexec(pattern)) {
      ::rmdir(pattern.c_str());
      fail_noexec(temporary, key());
    }
    UniqueFd directory = open_directory(pattern);
    // Another host's sweep() may have removed the directory before it was opened here.
    if (!directory && errno == ENOENT) continue;
    if (directory) {
      while (::flock(directory.get(), LOCK_EX) != 0 && errno == EINTR) {
      }
      // Or it may have locked and removed the directory first.
      if (!is_same(pattern, directory.get())) continue;
    }
    lock_ = std::move(directory);
    directory_ = pattern;
    break;
  }
  made_(directory_);
}

fs::path CopyStore::add(const std::string& module, std::uint64_t generation, std::span<const std::uint8_t> bytes) {
  std::error_code gone;  // a cleaner of temporary files may have removed the directory
  if (directory_.empty() || !fs::is_directory(directory_, gone)) make_directory();
  const fs::path copy =
      directory_ / (module + ".g" + std::to_string(generation) + "." + std::to_string(++serial_) + ".so");
  const UniqueFd file(::open(copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500));
  std::size_t put = 0;
  while (file && put < bytes.size()) {
    const ssize_t n = ::write(file.get(), bytes.data() + put, bytes.size() - put);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    put += static_cast<std::size_t>(n);
  }
  if (!file || put < bytes.size()) {
    const std::string why = system_text();
    drop(copy);
    throw Failure{BP_IO, "cannot write the private copy of the module to " + copy.string() + ": " + why +
                             "; make room there, or set " + key() + " to another directory"};
  }
  return copy;
}

void CopyStore::drop(const fs::path& copy) noexcept { ::unlink(copy.c_str()); }

}  // namespace backplane::host
