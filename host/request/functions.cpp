// SPDX-License-Identifier: Apache-2.0
#include "request/functions.hpp"

#include <thread>

namespace backplane::host {

bp_status Functions::change(std::string_view name, const Function& function, Only only, bool on_calling_thread) {
  MutexLock lock(mutex_);
  const ByName none;
  const ByName& now = owned_ == nullptr ? none : owned_->by_name;
  const auto found = now.find(name);
  const bool is_there = found != now.end();
  const bool may = only == Only::any || is_there == (only == Only::of_user);
  if (!may) return is_there ? BP_NAME_TAKEN : BP_NOT_FOUND;
  if (only == Only::of_user && found->second.user != function.user) return BP_NOT_FOUND;
  if (!is_there && !function.exists()) return BP_NOT_FOUND;
  const std::uint64_t before = is_there ? found->second.serial : nowhere;
  auto next = std::make_unique<Table>();
  next->by_name = now;
  if (function.exists()) {
    Function& changed = next->by_name[std::string(name)];
    changed = function;
    changed.serial = last_serial_ + 1;
  } else {
    next->by_name.erase(next->by_name.find(name));
  }
  for (const auto& [each, entry] : next->by_name) {
    if (entry.unask != nullptr) next->by_serial.emplace(entry.serial, &entry);
  }
  if (function.exists()) ++last_serial_;
  table_.store(next.get(), std::memory_order_release);
  heavy_fence();
  // Either the request thread finds the next table, or it is seen here that it looks: for some instructions.
  while (at_.load(std::memory_order_acquire) == looking) std::this_thread::yield();
  owned_ = std::move(next);
  if (before == nowhere || on_calling_thread) return BP_OK;
  awaited_.fetch_add(1, std::memory_order_relaxed);
  heavy_fence();
  returned_.wait(lock, [this, before] { return at_.load(std::memory_order_acquire) != before; });
  awaited_.fetch_sub(1, std::memory_order_relaxed);
  return BP_OK;
}

void Functions::clear() noexcept {
  const MutexLock lock(mutex_);
  table_.store(nullptr, std::memory_order_release);
  owned_.reset();
}

void Functions::tell() noexcept {
  const MutexLock lock(mutex_);
  returned_.notify_all();
}

}  // namespace backplane::host
