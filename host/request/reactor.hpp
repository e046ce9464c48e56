// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "ingress/waker.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Waits for descriptors with Boost.Asio. Request thread only. It is set up at the first wait for a descriptor: until
/// then it has no descriptors of its own.
class Reactor {
 public:
  /// `waker` ends wait(); it must outlive the reactor.
  explicit Reactor(Waker& waker) noexcept;
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  ~Reactor();

  /// Sleeps until the waker rings, a descriptor wait is over, or `until` (0: no bound). Only while
  /// waits_for_fds().
  void wait(Nanos until);

  /// wait() also ends when `fd` is readable; -1: none. Does nothing if the descriptor of this number is watched
  /// already. The reactor watches a duplicate of its own: the owner of `fd` may close it at any time, and the number
  /// may go to another descriptor, while the duplicate is watched. Without a duplicate, each wait() is short instead.
  /// Only while waits_for_fds().
  void watch(int fd) noexcept;
  /// Closes the duplicate. Necessary before another descriptor of the same number can be watched.
  void unwatch() noexcept;

  /// Ends descriptor waits that are over, without sleeping. Returns whether there were any. Only while waits_for_fds().
  bool poll();

  /// Calls `ready(data)` once from wait() or poll(), when `fd` is ready for `events` (BP_FD_…). Returns the handle for
  /// cancel(), or nullptr if the descriptor cannot be waited for.
  struct FdWait;
  FdWait* wait_fd(int fd, std::uint32_t events, void (*ready)(void* data), void* data);
  /// Ends a wait without its callback. The callback must not have been called.
  void cancel(FdWait* wait) noexcept;

  bool waits_for_fds() const noexcept;

 private:
  struct State;
  Waker& waker_;
  std::unique_ptr<State> state_;
};

}  // namespace backplane::host
