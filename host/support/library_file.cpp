// SPDX-License-Identifier: Apache-2.0
#include "support/library_file.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <filesystem>

namespace backplane::host {
namespace {

struct LibraryFile {
  std::string path;
  struct stat at_start {};
  bool known = false;
};

LibraryFile look() {
  LibraryFile out;
  Dl_info info{};
  static const char here = 0;
  if (::dladdr(&here, &info) == 0 || info.dli_fname == nullptr) return out;
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(info.dli_fname, error);
  // An executable may have been started by a name that the working directory does not have.
  out.path = error ? std::string(info.dli_fname) : real.string();
  out.known = ::stat(out.path.c_str(), &out.at_start) == 0;
  return out;
}

const LibraryFile& library() {
  static const LibraryFile found = look();
  return found;
}

}  // namespace

const std::string& library_file() { return library().path; }

bool is_library_file_replaced() noexcept {
  const LibraryFile& file = library();
  if (!file.known) return false;
  struct stat now {};
  return ::stat(file.path.c_str(), &now) != 0 || now.st_ino != file.at_start.st_ino ||
         now.st_dev != file.at_start.st_dev;
}

}  // namespace backplane::host
