// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <utility>

#include "server/socket_poller.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host {

/// The socket of a connection, and the events (EPOLL…) that its poller waits for. `poller.reading` must be locked,
/// except for fd().
class PolledSocket {
 public:
  PolledSocket(SocketPoller& poller, UniqueFd socket) noexcept : poller_(poller), socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }

  /// Begins to wait for input. Returns false if out of memory or epoll entries.
  bool add(Connection& connection) noexcept {
    if (!poller_.add(fd(), EPOLLIN, connection)) return false;
    added_ = true;
    wanted_ = EPOLLIN;
    return true;
  }
  void want_input(bool want, Connection& connection) noexcept { set(EPOLLIN, want, connection); }
  void want_room(bool want, Connection& connection) noexcept { set(EPOLLOUT, want, connection); }
  bool wants_input() const noexcept { return (wanted_ & EPOLLIN) != 0; }
  bool wants_room() const noexcept { return (wanted_ & EPOLLOUT) != 0; }
  bool wants_only_input() const noexcept { return wanted_ == EPOLLIN; }

  void close(const Connection& connection) noexcept {
    if (added_) poller_.remove(fd(), connection);
    added_ = false;
    socket_.reset();
  }

 private:
  void set(std::uint32_t event, bool want, Connection& connection) noexcept {
    const std::uint32_t events = want ? wanted_ | event : wanted_ & ~event;
    if (events == wanted_) return;
    wanted_ = events;
    poller_.change(fd(), wanted_, connection);
  }

  SocketPoller& poller_;
  UniqueFd socket_;
  bool added_ = false;
  std::uint32_t wanted_ = 0;
};

}  // namespace backplane::host
