// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/connection_memory.hpp"
#include "wire/frame.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

class Connection;
struct ServerCore;

/// A call in flight.
struct OpenCall {
  Connection* connection = nullptr;  ///< exists until the terminal reply
  bp_request request{};
  std::size_t size = 0;           ///< of the call's payload, and of its parts that the handler has not taken
  bool answered = false;          ///< the peer has already got a terminal reply
  bool default_deadline = false;  ///< it came without one
};

/// The calls in flight of one connection, by the ids that the peer has chosen. It counts them and their bytes against
/// the limits, and keeps the connection alive while there are any. The connection's mutex guards it.
class OpenCalls {
 public:
  using Entry = IdTable<OpenCall>::Entry;

  OpenCalls(ServerCore& core, ConnectionMemory& memory) : core_(core), memory_(memory) {}

  std::size_t size() const noexcept { return table_.size(); }
  Entry* find(std::uint64_t id) noexcept { return table_.find(id); }
  template <class F>
  void for_each(F f) {
    table_.for_each(f);
  }

  /// The limit because of which a call with such a payload cannot be opened now, and then counts the hit; Limit::count
  /// if it can.
  Limit limit_hit(std::size_t size) const noexcept;
  /// The same for a part of a request.
  Limit bytes_limit_hit(std::size_t size) const noexcept;
  /// The message for the peer.
  static std::string text_of(Limit limit, const ServerOptions& most);
  /// Opens a call. Throws wire::ProtocolError if its id is in use, or std::bad_alloc, and changes nothing. After one or
  /// more, call count_opened() with the mutex still locked.
  Entry& open(Connection& connection, const wire::Call& call);
  /// Counts the new calls for the other connections. Once for all, because these share the counters.
  void count_opened() noexcept;
  /// Removes calls. After the last call, returns the pointer that has kept the connection alive: release it after the
  /// mutex.
  std::shared_ptr<Connection> end(std::span<Entry* const> entries) noexcept;
  std::shared_ptr<Connection> end(Entry& entry) noexcept {
    Entry* const one = &entry;
    return end({&one, 1});
  }

  /// A part has come for the call, or its handler has taken some.
  void add_bytes(Entry& entry, std::size_t size) noexcept;
  void drop_bytes(Entry& entry, std::size_t size) noexcept;

 private:
  ServerCore& core_;
  ConnectionMemory& memory_;
  IdTable<OpenCall> table_;
  std::size_t new_calls_ = 0;  ///< opened, and not counted in `core_` yet; and their bytes
  std::size_t new_bytes_ = 0;
  std::shared_ptr<Connection> alive_;  ///< null if no call is open
};

/// Replies with BP_OK that have collected since the last look of the polling thread. It alone uses them, so a reply
/// needs no lock. Their calls stay open until then.
class NotedReplies {
 public:
  /// Returns false if out of memory, and has noted nothing.
  bool add(OpenCalls::Entry& entry, wire::View payload) noexcept;
  bool empty() const noexcept { return calls_.empty(); }
  /// Ends the calls of all noted replies. Returns what OpenCalls::end() returns.
  std::shared_ptr<Connection> end_calls(OpenCalls& open) noexcept;
  /// The encoded replies.
  wire::Bytes& frames() noexcept { return frames_; }

 private:
  std::vector<OpenCalls::Entry*> calls_;
  wire::Bytes frames_;
};

}  // namespace backplane::host
