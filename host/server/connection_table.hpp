// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "sync/mutex.hpp"

namespace backplane::host {

class Connection;
struct Admission;

/// The connections of a server, and how many there are of each kind. Any thread; but to change the table, lock
/// `poller.reading` too.
class ConnectionTable {
 public:
  struct Counts {
    std::size_t now = 0;  ///< of every kind
    std::size_t peak = 0;
    std::size_t management = 0;     ///< of these, beyond max_connections
    std::size_t without_hello = 0;  ///< of these, that have not said hello yet
    std::uint64_t refused = 0;      ///< since the start, as the next
    std::uint64_t replaced = 0;     ///< closed in favour of a newer one

    std::size_t ordinary() const noexcept { return now - management; }
  };

  /// Adds a connection without a hello, and gives it its number. Throws std::bad_alloc; nothing has changed then.
  void add(const std::shared_ptr<Connection>& connection, Admission& admission);
  /// It has said hello.
  void greeted(const Admission& admission) noexcept;
  /// Removes it. Does nothing if it was not added, or is removed already.
  void remove(const std::shared_ptr<Connection>& connection, const Admission& admission) noexcept;

  /// The one that waits longest for its hello, of those for management or of the others. Null if there is none.
  std::shared_ptr<Connection> oldest_without_hello(bool for_management) noexcept;
  /// The next one, in an order that stays when some are removed meanwhile; first after null. Null at the end.
  std::shared_ptr<Connection> after(const std::shared_ptr<Connection>& connection) noexcept;

  Counts counts() noexcept;
  void count_refused() noexcept;
  void count_replaced() noexcept;

 private:
  struct Waiting {
    std::weak_ptr<Connection> connection;
    bool for_management = false;
  };

  Mutex mutex_;
  std::set<std::shared_ptr<Connection>> all_ BP_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Waiting> without_hello_ BP_GUARDED_BY(mutex_);  // by number: the oldest first
  std::uint64_t last_number_ BP_GUARDED_BY(mutex_) = 0;
  Counts counts_ BP_GUARDED_BY(mutex_);
};

}  // namespace backplane::host
