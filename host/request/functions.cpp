// SPDX-License-Identifier: Apache-2.0
#include "request/functions.hpp"

#include <thread>

namespace backplane::host {

bp_status Functions::set(std::string_view name, bp_host_function_fn call, void* user, bool on_calling_thread) {
  MutexLock lock(mutex_);
  auto next = owned_ == nullptr ? std::make_unique<Table>() : std::make_unique<Table>(*owned_);
  const auto found = next->find(name);
  if (found == next->end() && call == nullptr) return BP_NOT_FOUND;
  const std::uint64_t before = found == next->end() ? nowhere : found->second.serial;
  if (call == nullptr) {
    next->erase(found);
  } else {
    const Function function{call, user, last_serial_ + 1};
    if (found != next->end()) {
      found->second = function;
    } else {
      next->emplace(name, function);
    }
    ++last_serial_;
  }
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
