// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "support/unique_fd.hpp"

namespace backplane::host::cli {

/// The service manager that has started this process, as systemd does. It is told what becomes of the host; without a
/// manager, every function does nothing. docs/packaging.md says what it is told, and when. Any thread.
///
/// The messages are those of sd_notify(3), which promises their form. They are written here, because libsystemd would
/// be one library more in every host, for one datagram.
class ServiceManager {
 public:
  /// Takes the manager's variables out of the environment: programs that modules start must not speak to it. Call it
  /// before there are other threads.
  ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// `what` goes on, for at most so long. The manager then waits that long for ready(), if it would have waited less.
  void starting(const std::string& what, std::chrono::milliseconds at_most) const noexcept;
  void ready(const std::string& socket) const noexcept;
  /// The host goes on, and is ready() again soon.
  void reloading() const noexcept;
  /// After this, nothing but failed() and alive() is told.
  void stopping(const std::string& why) const noexcept;
  /// The host does not start, or ends by itself.
  void failed(const std::string& why) const noexcept;
  /// Does not block. A message for which there is no room is lost, and the next one takes its place.
  void alive() const noexcept;

  /// How often the manager wants to hear alive(): twice in the time after which it ends the host. None: never.
  std::optional<std::chrono::microseconds> watchdog() const noexcept { return watchdog_; }
  /// Variables that make no sense, for the log.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  void take_watchdog();
  void send(const std::string& message, int flags) const noexcept;

  std::string address_;  // empty: there is no manager
  UniqueFd socket_;
  std::optional<std::chrono::microseconds> watchdog_;
  std::vector<std::string> warnings_;
  mutable std::atomic<bool> stops_{false};
  mutable std::atomic<int> told_error_{0};  // of send()
};

}  // namespace backplane::host::cli
