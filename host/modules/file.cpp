// SPDX-License-Identifier: Apache-2.0
#include "modules/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "support/result.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host {
namespace {

namespace fs = std::filesystem;

// A larger file is certainly not a module.
constexpr std::int64_t max_module_size = std::int64_t{1} << 30;

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

std::string system_text() { return std::generic_category().message(errno); }

std::string mode_text(const struct stat& status) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(status.st_mode & 07777));
  return text;
}

// The directory of the open file itself, because its path may lead to another file by now.
fs::path directory_of(int file, const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::read_symlink("/proc/self/fd/" + std::to_string(file), error);
  return (error ? fs::absolute(path, error) : real).parent_path();
}

// Whoever may write to the directory may put another file in the place of the module.
void check_directory(const fs::path& directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return;  // it was removed meanwhile; the file is open
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX) != 0) return;
  refuse("users other than the owner may write to its directory " + directory.string() + " (mode " + mode_text(status) +
         "); expected a directory that only its owner may write to: run chmod go-w on it");
}

void check_owner(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    refuse("it belongs to user " + std::to_string(status.st_uid) + ", expected root or user " +
           std::to_string(::geteuid()) + " (the user of this host); change its owner with chown");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse("users other than its owner may write it (mode " + mode_text(status) +
           "); expected a file that only its owner may write: run chmod go-w on it");
  }
  if ((status.st_mode & (S_ISUID | S_ISGID)) != 0) {
    refuse("it is setuid or setgid (mode " + mode_text(status) +
           "), which means nothing for a module; run chmod ug-s on it");
  }
}

// Checks the place of the open file itself, because its path may lead to another file by now.
void check_place(int file, const std::vector<fs::path>& allowed) {
  if (allowed.empty()) return;
  std::error_code error;
  const fs::path real = fs::read_symlink("/proc/self/fd/" + std::to_string(file), error);
  if (error) refuse("cannot determine its real path: " + error.message() + "; mount /proc");
  std::string list;
  for (const fs::path& directory : allowed) {
    const fs::path base = fs::canonical(directory, error);
    list += (list.empty() ? "" : ", ") + directory.string();
    if (error) continue;  // a missing directory contains no file
    const auto [end, unused] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
    if (end == base.end()) return;
  }
  refuse("it lies at " + real.string() + ", outside the directories from which this host loads modules (" + list +
         "); move it there, or allow its directory");
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// With `problem`, the place is not checked, and what is wrong with owner or mode goes there.
std::vector<std::uint8_t> read_file(const fs::path& path, const std::vector<fs::path>& allowed, std::string* problem) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) refuse("cannot open it: " + system_text() + "; give the path of a module that this host may read");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) refuse("cannot read its attributes: " + system_text());
  if (!S_ISREG(status.st_mode))
    refuse(std::string("it is ") + kind_of(status.st_mode) + "; expected a shared object (.so)");
  if (status.st_size > max_module_size) {
    refuse("it has " + std::to_string(status.st_size) + " bytes, expected at most 1 GiB");
  }
  if (problem == nullptr) check_place(file.get(), allowed);
  try {
    check_owner(status);
    check_directory(directory_of(file.get(), path));
  } catch (Failure& failure) {
    if (problem == nullptr) throw;
    *problem = std::move(failure.message);
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + got, bytes.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse("cannot read it: " + system_text());
    if (n == 0) break;  // the file has become shorter; the ELF checks will find that
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  if (bytes.empty()) refuse("it is empty; expected a shared object (.so)");
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> read_module_file(const fs::path& path, const std::vector<fs::path>& allowed) {
  return read_file(path, allowed, nullptr);
}

std::vector<std::uint8_t> read_any_file(const fs::path& path, std::string& problem) {
  return read_file(path, {}, &problem);
}

void name_file(Failure& failure, const std::string& path) noexcept try {
  failure.message = path + ": " + failure.message;
} catch (const std::bad_alloc&) {
}

}  // namespace backplane::host
