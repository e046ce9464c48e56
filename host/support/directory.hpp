// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace backplane::host {

/// The names of what is in a directory, without "." and "..", in any order. Sets `error` if it cannot be read. Throws
/// std::bad_alloc. std::filesystem::directory_iterator ends the process instead: libstdc++ allocates in its noexcept
/// functions.
inline std::vector<std::string> names_in(const std::string& directory, std::error_code& error) {
  error.clear();
  const auto close = [](DIR* open) { ::closedir(open); };
  const std::unique_ptr<DIR, decltype(close)> open(::opendir(directory.c_str()), close);
  std::vector<std::string> names;
  if (open == nullptr) {
    error.assign(errno, std::generic_category());
    return names;
  }
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(open.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) error.assign(errno, std::generic_category());
  return names;
}

}  // namespace backplane::host
