// SPDX-License-Identifier: Apache-2.0
#include "memory/machine.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "support/unique_fd.hpp"

namespace backplane::host {
namespace {

// Not with std::ifstream: a program that another thread starts at this moment would inherit its descriptor.
std::string text_in(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> block;
  while (file) {
    const ssize_t size = ::read(file.get(), block.data(), block.size());
    if (size <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(size));
  }
  return text;
}

// The number that a file begins with; `otherwise` if there is none, as in "max".
std::uint64_t number_in(const std::string& path, std::uint64_t otherwise) {
  std::istringstream file(text_in(path));
  std::uint64_t number = 0;
  return file >> number ? number : otherwise;
}

// The least of the limits of a group and its parents. In a container, the path is often one of the machine and not
// found here; the root is then the container's own.
std::uint64_t least_limit(const std::string& root, std::string group, const char* file, std::uint64_t least) {
  for (;;) {
    least = std::min(least, number_in(root + group + "/" + file, least));
    if (group.empty()) return least;
    group.erase(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

}  // namespace

std::uint64_t usable_memory(std::uint64_t physical, const std::string& membership, const std::string& cgroups) {
  std::uint64_t least = physical;
  std::istringstream lines(text_in(membership));
  // A line is "hierarchy:controllers:path". Version 2 has the hierarchy 0 and no controllers.
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    if (controllers.empty()) {
      least = least_limit(cgroups, group, "memory.max", least);
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      least = least_limit(cgroups + "/memory", group, "memory.limit_in_bytes", least);
    }
  }
  return std::max<std::uint64_t>(least, 1);
}

std::uint64_t usable_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  const std::uint64_t physical = pages > 0 && page > 0
                                     ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page)
                                     : std::uint64_t{1} << 30;
  return usable_memory(physical, "/proc/self/cgroup", "/sys/fs/cgroup");
}

std::uint64_t resident_memory() noexcept {
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  char text[128];
  const ssize_t size = file ? ::read(file.get(), text, sizeof text - 1) : 0;
  if (size <= 0) return 0;
  text[size] = 0;
  char* at = nullptr;
  std::strtoull(text, &at, 10);  // the whole size
  return std::strtoull(at, nullptr, 10) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace backplane::host
