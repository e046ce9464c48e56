// SPDX-License-Identifier: Apache-2.0
#include "server/peer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "support/unique_fd.hpp"

namespace backplane::host {
namespace {

constexpr bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.+:/").find(c) != std::string_view::npos;
}

// The kernel keeps fifteen bytes of it.
std::string command_of(long pid) {
  const UniqueFd file(::open(("/proc/" + std::to_string(pid) + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  char text[16];
  const ssize_t size = file ? ::read(file.get(), text, sizeof text) : -1;
  if (size <= 0) return {};
  std::string command(text, static_cast<std::size_t>(size));
  if (command.back() == '\n') command.pop_back();
  std::replace_if(
      command.begin(), command.end(), [](char c) { return !is_plain(c); }, '?');
  return command;
}

}  // namespace

std::string words_of(const Peer& peer) {
  const std::string command = command_of(peer.pid);
  return "process " + std::to_string(peer.pid) + " (user " + std::to_string(peer.uid) +
         (command.empty() ? "" : ", " + command) + ")";
}

}  // namespace backplane::host
