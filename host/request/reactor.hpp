// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "support/clock.hpp"

namespace backplane {

/// Boost.Asio, behind the few things that the request thread wants of it. One thread.
class Reactor {
 public:
  /// `wake_fd` ends wait() when it becomes readable; it must outlive the reactor. Throws
  /// std::system_error.
  explicit Reactor(int wake_fd);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor();

  /// Sleeps until the wake descriptor is readable, a descriptor wait is over, or `until` (0: no bound).
  void wait(Nanos until);

  /// Ends descriptor waits that are over, without sleeping; whether there were any.
  bool poll();

  /// Calls `ready(data)` from wait() or poll() once `fd` is ready for `events` (BP_FD_…). Returns what
  /// cancel() takes, or nullptr if the descriptor cannot be waited for.
  struct FdWait;
  FdWait* wait_fd(int fd, std::uint32_t events, void (*ready)(void* data), void* data);
  /// Its callback will not be called. It must not have been called.
  void cancel(FdWait* wait) noexcept;

  bool waits_for_fds() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backplane
