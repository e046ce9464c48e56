// SPDX-License-Identifier: Apache-2.0
#include "watchdog/scheduling.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "support/unique_fd.hpp"

namespace backplane::host {
namespace {

// Reads the beginning of /proc/self/task/<tid>/<file> into `buffer`. Empty on an error.
template <std::size_t N>
std::string_view read(char (&buffer)[N], ::pid_t tid, const char* file) noexcept {
  std::snprintf(buffer, N, "/proc/self/task/%d/%s", static_cast<int>(tid), file);
  const UniqueFd fd(::open(buffer, O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const ::ssize_t size = ::read(fd.get(), buffer, N);
  return size <= 0 ? std::string_view() : std::string_view(buffer, static_cast<std::size_t>(size));
}

// Removes a number and the following space from the front of `text`.
bool take(std::string_view& text, Nanos& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<Scheduling> scheduling_of(::pid_t tid) noexcept {
  char buffer[512];
  Scheduling found;
  const std::string_view stat = read(buffer, tid, "stat");
  const std::size_t name_end = stat.rfind(')');  // the last one, because the thread's name may contain brackets
  if (name_end == std::string_view::npos || stat.size() < name_end + 3) return std::nullopt;
  found.state = stat[name_end + 2];
  std::string_view times = read(buffer, tid, "schedstat");
  if (!take(times, found.ran) || !take(times, found.waited)) return std::nullopt;
  return found;
}

}  // namespace backplane::host
