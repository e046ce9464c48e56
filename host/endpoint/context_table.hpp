// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "endpoint/endpoint.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/mutex.hpp"
#include "sync/thread_record.hpp"
#include "sync/thread_shard.hpp"

namespace backplane::host {

/// The contexts that handles lead to. A handle is | mark 16 | generation 32 | index 16 |; context_table are used
/// again, generations are not, so a stale handle leads nowhere.
///
/// A call pins its slot: it notes it in its thread's record, then looks whether the handle is still good.
/// Destroying makes the handle bad, then waits until nothing is pinned. There is a light fence between the
/// two steps of the one and a heavy fence between those of the other: either the call sees that the handle
/// is bad, or the destroyer sees the pin. A call inside of another, and one of a thread without a record,
/// adds to a count of the slot instead; these are in shards.
class ContextTable {
  struct alignas(64) Count {
    std::atomic<std::int64_t> pins{0};
  };
  struct Slot {
    std::atomic<std::uint64_t> handle{0};  // the one that leads here now, else 0
    std::atomic<Endpoint*> endpoint{nullptr};
    std::unique_ptr<Endpoint> owned;  // guarded by ContextTable::mutex_; once retired, the retirer's
    std::uint32_t generation = 0;     // guarded by ContextTable::mutex_
    std::uint32_t index = 0;
    Slot* next_free = nullptr;  // guarded by ContextTable::mutex_
    std::array<Count, shard_count> counts;
  };

 public:
  static constexpr std::size_t capacity = 1u << 16;

  /// A handle that leads nowhere yet; zero if there are too many contexts. Throws std::bad_alloc.
  bp_context reserve();
  /// From now on the handle leads to `endpoint`, which the slot owns.
  void publish(bp_context handle, std::unique_ptr<Endpoint> endpoint) noexcept;
  /// Gives back a handle that was reserved only.
  void release(bp_context handle) noexcept;
  /// Makes the handle stale; its endpoint, which now is the caller's to stop and to reap(). Null if it
  /// is stale already.
  Endpoint* retire(bp_context handle);
  /// Waits until no call is in the endpoint of a retired handle, and frees it. Not from within a call.
  void reap(bp_context handle) noexcept;
  /// In a forked child: makes every handle stale. Waits for nobody, and leaves the endpoints as they are.
  void forget_all() noexcept;

  /// Keeps the endpoint of a handle alive.
  class Pin {
   public:
    Pin(ContextTable& context_table, bp_context handle) noexcept {
      Slot* const slot = context_table.slot_of(handle);
      if (slot == nullptr) return;
      ThreadRecord* const thread = thread_record();
      if (thread == nullptr || thread->pinned.load(std::memory_order_relaxed) != nullptr) {
        count(*slot, handle);
        return;
      }
      thread->pinned.store(slot, std::memory_order_relaxed);
      light_fence();
      if (slot->handle.load(std::memory_order_acquire) != handle.id) {
        thread->pinned.store(nullptr, std::memory_order_release);
        return;
      }
      thread_ = thread;
      endpoint_ = slot->endpoint.load(std::memory_order_relaxed);
    }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() {
      if (thread_ != nullptr) thread_->pinned.store(nullptr, std::memory_order_release);
      if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_release);
    }
    explicit operator bool() const noexcept { return endpoint_ != nullptr; }
    Endpoint* operator->() const noexcept { return endpoint_; }
    Endpoint& operator*() const noexcept { return *endpoint_; }

   private:
    void count(Slot& slot, bp_context handle) noexcept;

    ThreadRecord* thread_ = nullptr;
    std::atomic<std::int64_t>* count_ = nullptr;
    Endpoint* endpoint_ = nullptr;
  };

 private:
  static constexpr std::uint64_t mark = std::uint64_t{0x6378} << 48;
  Slot* slot_of(bp_context handle) const noexcept {
    if ((handle.id ^ mark) >> 48 != 0) return nullptr;
    return slots_[handle.id & (capacity - 1)].load(std::memory_order_acquire);
  }
  void give_back(Slot& slot) noexcept BP_REQUIRES(mutex_);

  Mutex mutex_;
  // Oldest first, so that generations last. Linked through the context_table, so that giving one back cannot fail.
  Slot* first_free_ BP_GUARDED_BY(mutex_) = nullptr;
  Slot* last_free_ BP_GUARDED_BY(mutex_) = nullptr;
  std::array<std::atomic<Slot*>, capacity> slots_{};  // filled from the front; never freed
  std::size_t used_ BP_GUARDED_BY(mutex_) = 0;
};

namespace context_table_detail {
extern constinit ContextTable all;
}  // namespace context_table_detail

/// The process's.
inline ContextTable& context_table() noexcept { return context_table_detail::all; }

}  // namespace backplane::host
