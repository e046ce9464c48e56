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

/// The table from bp_context handles to endpoints. A handle is | mark 16 | generation 32 | index 16 |. Slots are
/// reused, generations are not, so a stale handle has no endpoint.
///
/// A call pins its slot: it stores the slot in its thread's record, then checks the handle. Destroying first
/// invalidates the handle, then waits until the slot is not pinned. The call has a light fence between its two steps,
/// destroying a heavy fence. So either the call sees the invalid handle, or destroying sees the pin. A nested call, and
/// a call on a thread without a record, increments a sharded count of the slot instead.
class ContextTable {
  struct alignas(64) Count {
    std::atomic<std::int64_t> pins{0};
  };
  struct Slot {
    std::atomic<std::uint64_t> handle{0};  // the valid handle of this slot, or 0
    std::atomic<Endpoint*> endpoint{nullptr};
    std::unique_ptr<Endpoint> owned;  // guarded by ContextTable::mutex_; after retire(), only reap() uses it
    std::uint32_t generation = 0;     // guarded by ContextTable::mutex_
    std::uint32_t index = 0;
    // These are guarded by ContextTable::mutex_.
    bool in_use = false;  // reserved, and not given back
    bool stopping = false;
    Slot* next_free = nullptr;  // guarded by ContextTable::mutex_
    std::array<Count, shard_count> counts;
  };

 public:
  static constexpr std::size_t capacity = 1u << 16;

  /// A handle without an endpoint; zero if the table is full. Throws std::bad_alloc.
  bp_context reserve();
  /// Gives the handle its endpoint. The slot owns it.
  void publish(bp_context handle, std::unique_ptr<Endpoint> endpoint) noexcept;
  /// Returns a reserved handle that was not published.
  void release(bp_context handle) noexcept;
  /// Makes the handle stale and returns its endpoint. The caller must stop it and call reap(). Null if the handle is
  /// already stale.
  Endpoint* retire(bp_context handle);
  /// Waits until no call is inside the endpoint of a retired handle, and frees the endpoint. Not from within a call.
  void reap(bp_context handle) noexcept;
  enum class Life : std::uint8_t {
    unknown,  ///< there was never such a handle
    exists,
    stopping,  ///< after begin_stop(), until reap() has freed the endpoint
    gone
  };
  Life life_of(bp_context handle);
  /// Notes that the context is being stopped. A stale handle is allowed.
  void begin_stop(bp_context handle);
  /// In a forked child: makes every handle stale. Takes no lock, does not wait, and does not touch the endpoints.
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
  // Oldest first, so that generation numbers last longer. The slots themselves are linked, so that give_back() cannot
  // fail.
  Slot* first_free_ BP_GUARDED_BY(mutex_) = nullptr;
  Slot* last_free_ BP_GUARDED_BY(mutex_) = nullptr;
  std::array<std::atomic<Slot*>, capacity> slots_{};  // filled from the front; never freed
  std::size_t used_ BP_GUARDED_BY(mutex_) = 0;
};

namespace context_table_detail {
extern constinit ContextTable all;
}  // namespace context_table_detail

/// The table of this process.
inline ContextTable& context_table() noexcept { return context_table_detail::all; }

}  // namespace backplane::host
