// SPDX-License-Identifier: Apache-2.0
#include "endpoint/context_table.hpp"

#include <chrono>
#include <thread>
#include <type_traits>
#include <utility>

#include "sync/mutex.hpp"

namespace backplane::host {

// Constant-initialised and trivially destructible: it exists before any code runs, and while the process exits.
constinit ContextTable context_table_detail::all;
static_assert(std::is_trivially_destructible_v<ContextTable>);

bp_context ContextTable::reserve() {
  const MutexLock lock(mutex_);
  Slot* slot = nullptr;
  if (first_free_ != nullptr) {
    slot = std::exchange(first_free_, first_free_->next_free);
  } else if (used_ < capacity) {
    slot = new Slot;
    slot->index = static_cast<std::uint32_t>(used_);
    slots_[used_++].store(slot, std::memory_order_release);
  } else {
    return {0};
  }
  ++slot->generation;
  slot->in_use = true;
  slot->stopping = false;
  return {mark | std::uint64_t{slot->generation} << 16 | slot->index};
}

void ContextTable::publish(bp_context handle, std::unique_ptr<Endpoint> endpoint) noexcept {
  Slot& slot = *slot_of(handle);
  const MutexLock lock(mutex_);
  slot.endpoint.store(endpoint.get(), std::memory_order_relaxed);
  slot.owned = std::move(endpoint);
  slot.handle.store(handle.id, std::memory_order_seq_cst);
}

void ContextTable::release(bp_context handle) noexcept {
  const MutexLock lock(mutex_);
  give_back(*slot_of(handle));
}

void ContextTable::give_back(Slot& slot) noexcept {
  slot.next_free = nullptr;
  slot.in_use = false;
  (first_free_ == nullptr ? first_free_ : last_free_->next_free) = &slot;
  last_free_ = &slot;
}

Endpoint* ContextTable::retire(bp_context handle) {
  Slot* const slot = slot_of(handle);
  std::uint64_t expected = handle.id;
  if (slot == nullptr || !slot->handle.compare_exchange_strong(expected, 0, std::memory_order_seq_cst)) return nullptr;
  return slot->endpoint.load(std::memory_order_relaxed);
}

void ContextTable::reap(bp_context handle) noexcept {
  Slot& slot = *slot_of(handle);
  const auto pinned = [&slot] {
    std::int64_t sum = 0;
    for (const Count& count : slot.counts) sum += count.pins.load(std::memory_order_seq_cst);
    return sum != 0;
  };
  heavy_fence();
  // Calls inside the endpoint return soon, because it is stopped.
  while (pinned() || is_pinned(&slot)) std::this_thread::sleep_for(std::chrono::microseconds(50));
  std::unique_ptr<Endpoint> stopped = std::move(slot.owned);
  Endpoint& endpoint = *stopped;
  endpoint.dispose(std::move(stopped));
  const MutexLock lock(mutex_);
  give_back(slot);
}

ContextTable::Life ContextTable::life_of(bp_context handle) {
  const Slot* const slot = slot_of(handle);
  if (slot == nullptr) return Life::unknown;
  const auto generation = static_cast<std::uint32_t>(handle.id >> 16);
  const MutexLock lock(mutex_);
  if (generation == 0 || generation > slot->generation) return Life::unknown;
  if (generation != slot->generation || !slot->in_use) return Life::gone;
  return slot->stopping ? Life::stopping : Life::exists;
}

void ContextTable::begin_stop(bp_context handle) {
  Slot* const slot = slot_of(handle);
  if (slot == nullptr) return;
  const MutexLock lock(mutex_);
  if (slot->in_use && slot->generation == static_cast<std::uint32_t>(handle.id >> 16)) slot->stopping = true;
}

// Does not lock mutex_: the thread that held it may not exist in the child.
void ContextTable::forget_all() noexcept {
  for (const std::atomic<Slot*>& each : slots_) {
    Slot* const slot = each.load(std::memory_order_acquire);
    if (slot == nullptr) return;
    slot->handle.store(0, std::memory_order_relaxed);
  }
}

void ContextTable::Pin::count(Slot& slot, bp_context handle) noexcept {
  std::atomic<std::int64_t>& count = slot.counts[thread_shard()].pins;
  count.fetch_add(1, std::memory_order_seq_cst);
  if (slot.handle.load(std::memory_order_seq_cst) != handle.id) {
    count.fetch_sub(1, std::memory_order_release);
    return;
  }
  count_ = &count;
  endpoint_ = slot.endpoint.load(std::memory_order_relaxed);
}

}  // namespace backplane::host
