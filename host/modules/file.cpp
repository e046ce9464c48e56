// SPDX-License-Identifier: Apache-2.0
#include "modules/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "support/result.hpp"
#include "support/unique_fd.hpp"

namespace backplane {
namespace {

namespace fs = std::filesystem;

// A module beyond this is a mistake, not a module.
constexpr std::int64_t max_module_size = std::int64_t{1} << 30;

[[noreturn]] void refuse(std::string message) { throw Failure{BP_LOAD_REFUSED, std::move(message)}; }

std::string system_text() { return std::generic_category().message(errno); }

void check_owner(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    refuse("it belongs to user " + std::to_string(status.st_uid) + ", expected root or user " +
           std::to_string(::geteuid()) + " who runs this host; chown it");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse("others than its owner may write it (mode " + [&] {
      char text[8];
      std::snprintf(text, sizeof text, "%04o", status.st_mode & 07777);
      return std::string(text);
    }() + "); run chmod go-w on it");
  }
}

void check_place(const fs::path& path, const std::vector<fs::path>& allowed) {
  if (allowed.empty()) return;
  std::error_code ignored;
  const fs::path real = fs::weakly_canonical(path, ignored);
  std::string list;
  for (const fs::path& directory : allowed) {
    const fs::path base = fs::weakly_canonical(directory, ignored);
    const auto [end, unused] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
    if (end == base.end()) return;
    list += (list.empty() ? "" : ", ") + base.string();
  }
  refuse("it lies outside the directories this host loads from (" + list + "); move it there, or allow its directory");
}

std::vector<std::uint8_t> read_file(const fs::path& path, bool check_trust) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) refuse("it cannot be opened: " + system_text());
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) refuse("it cannot be examined: " + system_text());
  if (!S_ISREG(status.st_mode)) refuse("it is no regular file; expected a shared object (.so)");
  if (status.st_size > max_module_size) refuse("it has " + std::to_string(status.st_size) + " bytes; at most 1 GiB");
  if (check_trust) check_owner(status);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + got, bytes.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse("it cannot be read: " + system_text());
    if (n == 0) break;  // it has become shorter: the ELF checks will say so
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  if (bytes.empty()) refuse("it is empty; expected a shared object (.so)");
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> read_module_file(const fs::path& path, const std::vector<fs::path>& allowed) {
  check_place(path, allowed);
  return read_file(path, true);
}

std::vector<std::uint8_t> read_any_file(const fs::path& path) { return read_file(path, false); }

fs::path CopyStore::add(const std::string& module, std::uint64_t generation, std::span<const std::uint8_t> bytes) {
  if (directory_.empty()) {
    std::error_code error;
    fs::path temporary = fs::temp_directory_path(error);
    if (error) temporary = "/tmp";
    std::string pattern = (temporary / ("backplane-modules-" + std::to_string(::getpid()) + "-XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) {  // mode 0700
      throw Failure{BP_IO, "no directory for private copies of modules can be made in " + temporary.string() + ": " +
                               system_text()};
    }
    directory_ = pattern;
    made_(directory_);
  }
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
    ::unlink(copy.c_str());
    throw Failure{BP_IO, "a private copy cannot be written to " + copy.string() + ": " + why};
  }
  return copy;
}

}  // namespace backplane
