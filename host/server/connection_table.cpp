// SPDX-License-Identifier: Apache-2.0
#include "server/connection_table.hpp"

#include <algorithm>

#include "server/roles.hpp"

namespace backplane::host {

void ConnectionTable::add(const std::shared_ptr<Connection>& connection, Admission& admission) {
  const MutexLock lock(mutex_);
  const bool for_management = admission.shortage != Shortage::none;
  const auto waiting = without_hello_.emplace(++last_number_, Waiting{connection, for_management}).first;
  try {
    all_.insert(connection);
  } catch (...) {
    without_hello_.erase(waiting);
    throw;
  }
  admission.number = last_number_;
  if (for_management) ++counts_.management;
  counts_.peak = std::max(counts_.peak, all_.size());
}

void ConnectionTable::greeted(const Admission& admission) noexcept {
  const MutexLock lock(mutex_);
  without_hello_.erase(admission.number);
}

void ConnectionTable::remove(const std::shared_ptr<Connection>& connection, const Admission& admission) noexcept {
  const MutexLock lock(mutex_);
  without_hello_.erase(admission.number);
  if (all_.erase(connection) != 0 && admission.shortage != Shortage::none) --counts_.management;
}

std::shared_ptr<Connection> ConnectionTable::oldest_without_hello(bool for_management) noexcept {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(without_hello_.begin(), without_hello_.end(),
                                  [&](const auto& each) { return each.second.for_management == for_management; });
  return found == without_hello_.end() ? nullptr : found->second.connection.lock();
}

std::shared_ptr<Connection> ConnectionTable::after(const std::shared_ptr<Connection>& connection) noexcept {
  const MutexLock lock(mutex_);
  const auto next = all_.upper_bound(connection);
  return next == all_.end() ? nullptr : *next;
}

ConnectionTable::Counts ConnectionTable::counts() noexcept {
  const MutexLock lock(mutex_);
  Counts out = counts_;
  out.now = all_.size();
  out.without_hello = without_hello_.size();
  return out;
}

void ConnectionTable::count_refused() noexcept {
  const MutexLock lock(mutex_);
  ++counts_.refused;
}

void ConnectionTable::count_replaced() noexcept {
  const MutexLock lock(mutex_);
  ++counts_.replaced;
}

}  // namespace backplane::host
