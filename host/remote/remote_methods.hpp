// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sync/mutex.hpp"

namespace backplane::host {

/// The method handles of a connected context. A handle keeps its name, since the host's id for it is right for one
/// connection only. Any thread.
class RemoteMethods {
 public:
  RemoteMethods() = default;
  RemoteMethods(const RemoteMethods&) = delete;
  RemoteMethods& operator=(const RemoteMethods&) = delete;

  /// What the host of a connection is to call.
  struct Target {
    std::uint64_t id = 0;   ///< the host's; 0: the host has not resolved it, so call by the name
    std::string_view name;  ///< valid as long as this object
  };

  /// The handle of a name that the host of a connection has resolved.
  bp_method add(std::string_view name, std::uint64_t host_id, std::uint32_t connection) {
    const MutexLock lock(mutex_);
    auto at = by_name_.find(name);
    if (at == by_name_.end()) {
      Method& made = all_.emplace_back();
      try {
        made.name = name;
        at = by_name_.emplace(made.name, all_.size()).first;
      } catch (...) {
        all_.pop_back();
        throw;
      }
    }
    resolve(all_[at->second - 1], host_id, connection);
    return {at->second};
  }
  /// None: there is no such handle.
  std::optional<Target> find(bp_method method, std::uint32_t connection) const noexcept {
    const MutexLock lock(mutex_);
    if (method.id == 0 || method.id > all_.size()) return std::nullopt;
    const Method& found = all_[method.id - 1];
    return Target{found.connection == connection ? found.host_id : 0, found.name};
  }
  std::uint64_t size() const noexcept {
    const MutexLock lock(mutex_);
    return all_.size();
  }
  void resolved(bp_method method, std::uint64_t host_id, std::uint32_t connection) noexcept {
    const MutexLock lock(mutex_);
    resolve(all_[method.id - 1], host_id, connection);
  }

 private:
  struct Method {
    std::string name{};
    std::uint64_t host_id = 0;
    std::uint32_t connection = 0;  ///< for which host_id is right
  };

  /// A thread that was slow must not bring back what an older connection has said.
  static void resolve(Method& method, std::uint64_t host_id, std::uint32_t connection) noexcept {
    if (connection < method.connection) return;
    method.host_id = host_id;
    method.connection = connection;
  }

  mutable Mutex mutex_;
  std::deque<Method> all_ BP_GUARDED_BY(mutex_);  ///< entries keep their address
  std::map<std::string, std::uint64_t, std::less<>> by_name_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
