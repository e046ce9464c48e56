// SPDX-License-Identifier: Apache-2.0
//
// What the connections of a server share. Includes Asio, so only files of this room may include it.
#pragma once

#include <backplane/backplane.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/connection_table.hpp"
#include "server/control_thread.hpp"
#include "server/handler_memory.hpp"
#include "server/limit_counts.hpp"
#include "server/server.hpp"
#include "server/socket_poller.hpp"

namespace backplane::host {

class Connection;

/// The part of a server that its connections share. It exists until the last connection is freed: a call may end after
/// the server, and then finds its connection closed.
struct ServerCore : std::enable_shared_from_this<ServerCore> {
  ServerCore(bp_context ctx, ServerOptions opts, std::function<void()> on_stop)
      : context(ctx), options(std::move(opts)), on_stop_requested(std::move(on_stop)), control(ctx) {}

  const bp_context context;
  ServerOptions options;
  const std::function<void()> on_stop_requested;
  struct {
    HandlerMemory look, errand;
  } memory;  // of handlers of `io`
  boost::asio::io_context io{1};
  SocketPoller poller;
  ControlThread control;
  std::atomic<std::size_t> open_calls{0};  // of all connections
  LimitCounts limits;
  std::atomic<std::size_t> open_bytes{0};  // of their payloads
  bool draining = false;                   // calls are answered BP_CLOSED; guarded by `poller.reading`
  ConnectionTable connections;             // to change it, lock `poller.reading`
  std::map<std::string, std::weak_ptr<Connection>, std::less<>> providers;  // of host functions; guarded as the above
  std::atomic<std::uint64_t> descriptor_shortages{0};                       // connections that found no free descriptor

  /// The status-report of the host, with the server's part.
  bp_status status(bp_result* out) noexcept;
  /// Logs the line that `make` returns, unless there is no memory for it.
  template <class F>
  void log(int level, F make) const noexcept {
    if (!options.log) return;
    try {
      options.log(level, make());
    } catch (const std::exception&) {
      // A line that is missing must not end the host.
    }
  }
};

}  // namespace backplane::host
