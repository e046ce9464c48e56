// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/providing.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "sync/mutex.hpp"
#include "wire/id_table.hpp"

namespace backplane::host {

class Connection;

/// A host function that a peer provides.
struct PeerFunction {
  Connection* connection;
  std::string name;
};

/// The host functions of one connection, by name. Not thread-safe.
class PeerFunctions {
 public:
  std::size_t size() const noexcept { return all_.size(); }
  bool empty() const noexcept { return all_.empty(); }
  bool has(std::string_view name) const noexcept { return all_.find(name) != all_.end(); }
  /// Returns BP_OK, or what bp_function_provide() returns; then there is none. Throws std::bad_alloc.
  /// `flags`: BP_PROVIDE_…
  bp_status add(bp_context context, const PeerFunction& function, std::uint32_t flags, bp_ask_fn on_ask,
                bp_unask_fn on_unask);
  /// After BP_OK the function does not run any more. BP_NOT_FOUND: there is none. BP_OUT_OF_MEMORY: it stays. Do not
  /// hold a lock that the function takes.
  bp_status remove(bp_context context, std::string_view name) noexcept;
  /// The same for some function; there must be one.
  bp_status remove_any(bp_context context) noexcept { return remove(context, all_.begin()); }

 private:
  using At = std::map<std::string, std::unique_ptr<PeerFunction>, std::less<>>::iterator;
  bp_status remove(bp_context context, At at) noexcept;

  std::map<std::string, std::unique_ptr<PeerFunction>, std::less<>> all_;
};

/// The calls that a peer is to answer. Whoever removes one ends it. Any thread.
class OpenAsks {
 public:
  std::size_t size() const noexcept {
    const MutexLock lock(mutex_);
    return by_id_.size();
  }
  /// Adds a call, and returns the token that the peer knows it by; it is never used again. Throws std::bad_alloc.
  std::uint64_t open(bp_token token);
  /// Removes a call. Returns 0 if there is none.
  bp_token take(std::uint64_t id) noexcept;
  /// The same by the host's token. Returns the peer's.
  std::uint64_t take_by_token(bp_token token) noexcept;
  /// Removes some call, as IdTable::take_any() does. Returns 0 if there is none.
  bp_token take_any(std::size_t& bucket) noexcept;

 private:
  mutable Mutex mutex_;
  IdTable<bp_token> by_id_ BP_GUARDED_BY(mutex_);
  IdTable<std::uint64_t> by_token_ BP_GUARDED_BY(mutex_);
  std::uint64_t last_ BP_GUARDED_BY(mutex_) = 0;
};

/// What a peer provides.
struct PeerProvides {
  PeerFunctions functions;  ///< guarded by `poller.reading`; after close(): the io thread's
  OpenAsks asks;
  bool any = false;  ///< it has provided something
};

}  // namespace backplane::host
