// SPDX-License-Identifier: Apache-2.0
#include "new_file.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace backplane::kv {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  operator int() const noexcept { return fd_; }

 private:
  int fd_;
};

/// The bytes of a database file with this schema. Empty if SQLite cannot create it.
std::vector<unsigned char> image_of(const char* schema) {
  std::vector<unsigned char> image;
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) == SQLITE_OK &&
      sqlite3_exec(db, schema, nullptr, nullptr, nullptr) == SQLITE_OK) {
    sqlite3_int64 size = 0;
    unsigned char* const bytes = sqlite3_serialize(db, "main", &size, 0);
    if (bytes != nullptr) image.assign(bytes, bytes + size);
    sqlite3_free(bytes);
  }
  sqlite3_close(db);
  // File format versions for writing and reading: 2, write-ahead log (SQLite's "Database File Format", 1.3.3).
  constexpr std::size_t write_version = 18;
  constexpr std::size_t read_version = 19;
  if (image.size() > read_version) image[write_version] = image[read_version] = 2;
  return image;
}

bool write_all(int fd, const std::vector<unsigned char>& bytes) noexcept {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t part = ::write(fd, bytes.data() + written, bytes.size() - written);
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) return false;
    written += static_cast<std::size_t>(part);
  }
  return true;
}

/// Creates the whole file, synced to the disk. Returns whether a file of this name exists now. The file has no name
/// until it is complete, so a process that is killed meanwhile leaves nothing behind.
bool make_whole(const std::filesystem::path& directory, const std::filesystem::path& file, const char* schema) {
  const Descriptor made(
      ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644));  // the mode that SQLite uses
  if (!made) return false;
  const std::vector<unsigned char> image = image_of(schema);
  if (image.empty() || !write_all(made, image) || ::fdatasync(made) != 0) return false;
  const std::string unnamed = "/proc/self/fd/" + std::to_string(made);
  return ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, file.c_str(), AT_SYMLINK_FOLLOW) == 0 || errno == EEXIST;
}

}  // namespace

// Uses a temporary name, because the descriptor must be closed before the file gets its final name. Closing a
// descriptor releases all locks of the process on the file, and another store of the process may already hold locks on
// it.
void make_new_file(const std::filesystem::path& file, const char* schema) noexcept try {
  if (::access(file.c_str(), F_OK) == 0) return;
  const std::filesystem::path directory = file.has_parent_path() ? file.parent_path() : ".";
  const std::filesystem::path whole = file.string() + "-new";
  if (!make_whole(directory, whole, schema)) return;
  if (::renameat2(AT_FDCWD, whole.c_str(), AT_FDCWD, file.c_str(), RENAME_NOREPLACE) != 0) {
    ::unlink(whole.c_str());
    return;
  }
  const Descriptor named_in(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (named_in) ::fdatasync(named_in);
} catch (const std::exception&) {
}

}  // namespace backplane::kv
