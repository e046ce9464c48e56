// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/providing.h>

#include <string>

#include "server/connection.hpp"

namespace backplane::host {

/// Calls of the host functions of a peer. Any thread.
class Connection::Asking {
 public:
  explicit Asking(Connection& peer) noexcept : peer_(peer) {}

  /// The callbacks of a PeerFunction.
  static void on_ask(void* function, bp_context context, const bp_ask* ask);
  static void on_unask(void* function, bp_context context, bp_token token);

  /// After the connection is closed, so that no call comes any more: ends all that the peer has not answered.
  void end_all() noexcept;
  /// Whether the peer has closed the connection, so that others may have the names of its functions. `poller.reading`
  /// must be locked.
  bool has_left() noexcept;

 private:
  void send(const bp_ask& ask);
  bp_status refusal(const bp_ask& ask, std::string& why) BP_REQUIRES(peer_.mutex_);

  Connection& peer_;
};

}  // namespace backplane::host
