// SPDX-License-Identifier: Apache-2.0
//
// Decides which connections are let in. Includes Asio, so only files of this room may include it.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "server/roles.hpp"
#include "server/server_core.hpp"
#include "support/unique_fd.hpp"

namespace backplane::host {

/// A socket of the server, as far as its connections differ from those of another one.
struct Entrance {
  Roles roles = all_roles;
  bool own_user_only = true;  ///< this process's user and root; else who may open the socket's file
};

/// Lets connections in, and keeps room for more: it closes those that say nothing in favour of new ones, and ends those
/// for management that are idle. Io thread only.
class Admitter {
 public:
  explicit Admitter(ServerCore& core) : core_(core), timer_(core.io) {}

  /// Makes a connection of an accepted socket, or tells the peer why not. `no_descriptor`: the process has no further
  /// one.
  void admit(UniqueFd socket, const Entrance& entrance, bool no_descriptor) noexcept;
  /// Closes a connection that does nothing, in favour of a new one: one without a hello, or else an idle one for
  /// management. Returns false if there is none.
  bool close_one() noexcept;
  void stop();

 private:
  void welcome(UniqueFd socket, const Entrance& entrance, bool no_descriptor);
  /// The shortage with which a new connection is let in; none if it is not.
  std::optional<Shortage> place_for_new(bool no_descriptor) BP_REQUIRES(core_.poller.reading);
  bool close_without_hello(bool for_management) BP_REQUIRES(core_.poller.reading);
  bool close_idle_for_management() BP_REQUIRES(core_.poller.reading);
  void watch_idle();
  void end_idle();

  ServerCore& core_;
  boost::asio::steady_timer timer_;
  bool watches_idle_ = false;
};

}  // namespace backplane::host
