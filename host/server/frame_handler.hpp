// SPDX-License-Identifier: Apache-2.0
//
// What the frames of a peer do. Everything here runs with `poller.reading` locked (socket_poller.hpp).
#pragma once

#include <backplane/backplane.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "server/connection.hpp"
#include "server/peer_operations.hpp"
#include "wire/frame.hpp"

namespace backplane::host {

class Connection::FrameHandler {
 public:
  explicit FrameHandler(Connection& peer) noexcept : peer_(peer), core_(*peer.core_) {}

  void operator()(const wire::Hello& hello);
  void operator()(const wire::Call& call);
  void operator()(const wire::Cancel& cancel);
  void operator()(const wire::Resolve& resolve);
  void operator()(const wire::Listen& listen);
  void operator()(const wire::Unlisten& unlisten);
  void operator()(const wire::Heard& heard);
  void operator()(const wire::Load& load);
  void operator()(const wire::Unload& unload);
  void operator()(const wire::Reload& reload);
  void operator()(const wire::List& list);
  void operator()(const wire::Status& status);
  void operator()(const wire::Stop& stop);
  void operator()(const wire::Credit& credit);
  void operator()(const wire::Part& part);
  void operator()(const wire::Log& log);
  void operator()(const wire::Begin& begin);
  void operator()(const wire::Wait& wait);
  void operator()(const wire::Undo& undo);
  void operator()(const wire::Reconfigure& reconfigure);
  void operator()(const wire::Expect& expect);
  void operator()(const wire::Provide& provide);
  void operator()(const wire::Withdraw& withdraw);
  void operator()(const wire::Answer& answer);
  void operator()(const wire::Ask& ask);
  void operator()(const wire::Unask& unask);
  void operator()(const wire::Reply& reply);
  void operator()(const wire::Event& event);
  void operator()(const wire::Error& error);

 private:
  /// Reports and operations that a connection may wait for.
  static constexpr std::size_t max_controls = 64;

  bp_request request_of(std::uint64_t id);
  void end_call(std::uint64_t id, const std::string& why);
  void reply(std::uint64_t id, bp_status status, const std::string& message = {}) { peer_.reply(id, status, message); }
  bool take_control(std::uint64_t id, std::size_t most = max_controls);
  void control(std::uint64_t id, std::function<bp_status(bp_context, bp_result*)> report,
               std::size_t most = max_controls);
  void operate(std::uint64_t id, const AskedOperation& asked, std::uint64_t timeout_ms);

  Connection& peer_;
  ServerCore& core_;
};

}  // namespace backplane::host
