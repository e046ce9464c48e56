// SPDX-License-Identifier: Apache-2.0
//
// Socket activation: takes listening sockets from a service manager, and checks that the host can serve them.
#include "cli/given_sockets.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "cli/failure.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

constexpr int first_given = 3;  // by the protocol
constexpr int most_given = 1024;
constexpr const char* expected = "expected Unix stream sockets that listen at a path";
constexpr const char* correct = "correct ListenStream= and Accept= of the socket unit";

std::string taken(const char* name) {
  const char* const value = std::getenv(name);
  std::string out = value == nullptr ? "" : value;
  ::unsetenv(name);
  return out;
}

std::optional<int> number(const std::string& text) {
  int out = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return out;
}

[[noreturn]] void refuse(int fd, const std::string& found) {
  throw usage(cat("descriptor ", std::to_string(fd), " of the service manager: found ", found, ", ", expected),
              correct);
}

int option(int fd, int which) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, which, &value, &size) != 0) refuse(fd, "a file that is not a socket");
  return value;
}

std::string path_of(int fd) {
  sockaddr_un at{};
  socklen_t size = sizeof at;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) refuse(fd, std::strerror(errno));
  const std::size_t length = size - std::min<std::size_t>(size, offsetof(sockaddr_un, sun_path));
  if (length == 0) refuse(fd, "a socket without a path");
  if (at.sun_path[0] == 0) refuse(fd, "a socket with an abstract name");
  return {at.sun_path, ::strnlen(at.sun_path, length)};
}

GivenSocket taken_socket(int fd) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) refuse(fd, "no open file");
  if (option(fd, SO_DOMAIN) != AF_UNIX) refuse(fd, "a socket of another family than Unix");
  if (option(fd, SO_TYPE) != SOCK_STREAM) refuse(fd, "a Unix socket of another type than stream");
  if (option(fd, SO_ACCEPTCONN) == 0) refuse(fd, "a socket that does not listen");
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return {path_of(fd), UniqueFd(fd)};
}

// Two texts of one path are equal if nothing but their spelling differs.
std::string normal(const std::string& path) {
  return std::filesystem::path(absolute_path(path)).lexically_normal().string();
}

}  // namespace

std::vector<GivenSocket> given_sockets() {
  const std::string pid = taken("LISTEN_PID");
  const std::string count = taken("LISTEN_FDS");
  taken("LISTEN_FDNAMES");
  std::vector<GivenSocket> out;
  if (pid.empty() || count.empty() || number(pid) != static_cast<int>(::getpid())) return out;  // for another process
  const auto all = number(count);
  if (!all || *all < 0 || *all > most_given) {
    throw usage(
        cat("$LISTEN_FDS: found \"", one_line(count), "\", expected a number from 0 to ", std::to_string(most_given)));
  }
  for (int fd = first_given; fd < first_given + *all; ++fd) out.push_back(taken_socket(fd));
  return out;
}

void place(std::vector<GivenSocket>& given, RunPlan& plan) {
  const bool is_chosen = plan.sources.find("socket") != plan.sources.end();
  bool has_first = false;
  for (GivenSocket& each : given) {
    const std::string path = normal(each.path);
    const auto same = [&path](const ListenOptions& other) { return normal(other.path) == path; };
    const auto further = std::find_if(plan.server.listen.begin(), plan.server.listen.end(), same);
    if (further != plan.server.listen.end()) {
      each.path = further->path;
    } else if (!has_first && (!is_chosen || normal(plan.socket) == path)) {
      if (!is_chosen) plan.socket = each.path;
      each.path = plan.socket;
      has_first = true;
    } else {
      throw usage(cat("the service manager passes the socket \"", one_line(each.path),
                      "\", which is neither the socket of this host, \"", one_line(plan.socket),
                      "\", nor that of a [[listen]]"),
                  "set ListenStream= of the socket unit to one of them, or correct the configuration of the host");
    }
  }
}

bool is_given(const std::vector<GivenSocket>& given, const std::string& path) {
  return std::any_of(given.begin(), given.end(), [&path](const GivenSocket& each) { return each.path == path; });
}

}  // namespace backplane::host::cli
