// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "server/output_buffer.hpp"
#include "support/gap_event.hpp"

namespace backplane::host {

class Connection;

/// A listener of the peer.
struct PeerListener {
  Connection* connection;
  std::uint64_t id;         ///< chosen by the peer
  std::uint64_t window;     ///< of a lossless one; else 0
  std::uint64_t early = 0;  ///< bytes that the peer says it has heard, although so much waits that it has not read them
  bp_listener host{};
  Lost lost{};  ///< not told yet; guarded by the connection's mutex
};

/// The listeners of one connection. Not thread-safe.
class PeerListeners {
 public:
  std::size_t size() const noexcept { return all_.size(); }
  std::size_t lossless() const noexcept { return lossless_; }
  bool empty() const noexcept { return all_.empty(); }
  /// There must be one.
  PeerListener& any() noexcept { return *all_.begin()->second; }
  /// Returns BP_OK, or what bp_subscribe() returns; then there is no listener. Throws wire::ProtocolError if the id is
  /// in use, and std::bad_alloc.
  bp_status add(bp_context context, const PeerListener& listener, std::string_view pattern, std::string_view label,
                bp_event_fn on_event);
  /// Null if there is none.
  PeerListener* find(std::uint64_t id) noexcept;
  /// No event comes for the listener any more. It exists until erase().
  static bp_status stop(bp_context context, const PeerListener& listener) noexcept {
    return bp_unlisten(context, listener.host);
  }
  void erase(std::uint64_t id) noexcept;

  /// What the peer says it has heard of a lossless listener counts only when the socket has taken `until` bytes in all.
  void hear_later(PeerListener& listener, std::uint64_t bytes, std::uint64_t until) noexcept;
  /// The socket has taken so many bytes in all.
  void hear_now(bp_context context, std::uint64_t taken) noexcept;

 private:
  std::map<std::uint64_t, std::unique_ptr<PeerListener>> all_;  ///< ordered: the peer chooses the keys
  std::size_t lossless_ = 0;
  std::optional<std::uint64_t> early_until_;  ///< when what is early counts; none: nothing is
};

/// The listeners of one connection that have lost events, and have not been told yet. The connection's mutex guards it.
class UntoldGaps {
 public:
  bool empty() const noexcept { return behind_.empty(); }
  /// The listener cannot have this event. Throws std::bad_alloc.
  void add(PeerListener& listener, const bp_event& event);
  /// Appends what the listener has lost to the output, if anything. Throws std::bad_alloc.
  void tell(PeerListener& listener, OutputBuffer& output);
  /// The same for all listeners.
  void tell_all(OutputBuffer& output);
  /// The listener ends.
  void forget(PeerListener& listener) noexcept { behind_.erase(&listener); }
  void forget_all() noexcept { behind_.clear(); }

 private:
  std::set<PeerListener*> behind_;
};

}  // namespace backplane::host
