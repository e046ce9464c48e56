// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/connection_table.hpp"
#include "server/server.hpp"

namespace backplane::host {

/// The limits of a server. Each has a key in the configuration file.
enum class Limit : std::uint8_t {
  connections,
  management,
  calls_per_connection,
  calls_of_connections,
  bytes_per_connection,
  bytes_of_connections,
  connection_memory,
  frame,
  listeners,
  lossless_listeners,
  functions,
  asks,
  output,
  answer_output,
  part_output,
  event_output,
  stalled_client,
  default_deadline,
  count,
};

/// How often each limit was hit. Any thread.
class LimitCounts {
 public:
  void hit(Limit limit) noexcept { hits_[static_cast<std::size_t>(limit)].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t hits(Limit limit) const noexcept {
    return hits_[static_cast<std::size_t>(limit)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Limit::count)> hits_{};
};

/// What the server has open now, for its report.
struct ServerLoad {
  ConnectionTable::Counts connections;
  std::uint64_t descriptor_shortages = 0;
  std::uint64_t calls = 0;  ///< of all connections
  std::uint64_t bytes = 0;  ///< of their payloads
};

/// A status-report of the host, with `server` added: see docs/protocol.md. A report that is no map stays as it is.
/// Throws std::bad_alloc.
std::vector<std::uint8_t> with_server(bp_bytes status_report, const ServerOptions& options, const LimitCounts& counts,
                                      const ServerLoad& load);

}  // namespace backplane::host
