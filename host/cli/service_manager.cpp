// SPDX-License-Identifier: Apache-2.0
//
// Speaks to the service manager: one datagram of lines NAME=VALUE for each change.
#include "cli/service_manager.hpp"

#include <backplane/backplane.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>

#include "cli/log_options.hpp"
#include "cli/output.hpp"

namespace backplane::host::cli {
namespace {

/// How long a message may wait for room in the manager's queue.
constexpr timeval patience{5, 0};

/// The value of a variable, which is then gone. None: it was not set, or empty.
std::optional<std::string> taken(const char* name) {
  const char* const value = std::getenv(name);
  std::optional<std::string> out;
  if (value != nullptr && *value != 0) out = value;
  ::unsetenv(name);
  return out;
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t out = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

// A message is lines, so a text in it is one line.
std::string status(const std::string& text) { return cat("STATUS=", one_line(text), "\n"); }

}  // namespace

ServiceManager::ServiceManager() {
  const auto address = taken("NOTIFY_SOCKET");
  if (address) {
    const bool has_form = (address->front() == '/' || address->front() == '@') && address->size() > 1;
    if (!has_form || address->size() >= sizeof(sockaddr_un::sun_path)) {
      warnings_.push_back(cat("$NOTIFY_SOCKET: found \"", one_line(*address),
                              "\", expected an absolute path, or \"@\" and a name; the service manager is told "
                              "nothing"));
    } else {
      socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (!socket_) warnings_.push_back(cat("the service manager is told nothing: ", std::strerror(errno)));
    }
    if (socket_) {
      address_ = *address;
      ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
  }
  take_watchdog();
}

void ServiceManager::take_watchdog() {
  const auto pid = taken("WATCHDOG_PID");
  const auto given = taken("WATCHDOG_USEC");
  if (!given || (pid && number(*pid) != static_cast<std::uint64_t>(::getpid()))) return;
  constexpr std::uint64_t most = 10'000'000'000'000;  // a third of a year
  const auto microseconds = number(*given);
  if (!microseconds || *microseconds < 2) {
    warnings_.push_back(cat("$WATCHDOG_USEC: found \"", one_line(*given),
                            "\", expected a number of microseconds; the service manager hears no signs of life"));
  } else if (!address_.empty()) {
    watchdog_ = std::chrono::microseconds(std::min(*microseconds, most) / 2);
  }
}

void ServiceManager::starting(const std::string& what, std::chrono::milliseconds at_most) const noexcept try {
  if (address_.empty()) return;
  send(cat(status(what), "EXTEND_TIMEOUT_USEC=", std::to_string(std::chrono::microseconds(at_most).count()), "\n"), 0);
} catch (const std::exception&) {
  // Without memory, it is not told. The same holds for the others.
}

void ServiceManager::ready(const std::string& socket) const noexcept try {
  if (!address_.empty() && !stops_) send(cat("READY=1\n", status(cat("serving on ", socket))), 0);
} catch (const std::exception&) {
  send("READY=1\n", 0);
}

// Type=notify-reload wants to know whether the message is younger than its signal.
void ServiceManager::reloading() const noexcept try {
  if (address_.empty() || stops_) return;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t us =
      static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
  send(cat("RELOADING=1\nMONOTONIC_USEC=", std::to_string(us), "\n", status("reading the configuration file again")),
       0);
} catch (const std::exception&) {
}

void ServiceManager::stopping(const std::string& why) const noexcept try {
  stops_ = true;
  if (!address_.empty()) send(cat("STOPPING=1\n", status(cat("stopping: ", why))), 0);
} catch (const std::exception&) {
}

void ServiceManager::failed(const std::string& why) const noexcept try {
  if (!address_.empty()) send(status(why), 0);
} catch (const std::exception&) {
}

void ServiceManager::alive() const noexcept {
  static const std::string sign = "WATCHDOG=1\n";
  if (!address_.empty()) send(sign, MSG_DONTWAIT);
}

void ServiceManager::send(const std::string& message, int flags) const noexcept {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const bool is_path = address_.front() == '/';
  if (!is_path) to.sun_path[0] = 0;  // an abstract name
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + (is_path ? 1 : 0));
  // One that has not read for the time of the socket is not waited for again, before it reads.
  const int wait = told_error_ == EAGAIN ? MSG_DONTWAIT : 0;
  ssize_t sent = 0;
  do {
    sent = ::sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | flags | wait,
                    reinterpret_cast<const sockaddr*>(&to), size);
  } while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? errno : 0;
  if (error == EAGAIN && (flags & MSG_DONTWAIT) != 0) return;  // the next sign of life comes soon
  if (told_error_.exchange(error) == error || error == 0) return;
  try {
    log_line(BP_LOG_WARN,
             cat("the service manager at \"", one_line(address_), "\" is not told: ", std::strerror(error)));
  } catch (const std::exception&) {
  }
}

}  // namespace backplane::host::cli
