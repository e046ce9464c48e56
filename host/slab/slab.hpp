// SPDX-License-Identifier: Apache-2.0
//
// Records with 64-bit tokens. Their memory is never freed, so a token of any age can be looked up safely.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <new>

#include "memory/budget.hpp"
#include "slab/token.hpp"
#include "sync/mutex.hpp"
#include "sync/thread_shard.hpp"

namespace backplane::host {

/// T derives from Record, and has a member `T* next`, which the slab uses while the record is free. There is one slab
/// per kind and process. allocate() takes from the calling thread's shard. free() returns to the shard of the
/// allocation. So records circulate between a producer and its consumer without malloc and free.
template <class T, unsigned kind>
class Slab {
 public:
  /// A record with a new token, not armed; nullptr if out of memory.
  T* allocate() noexcept {
    const unsigned home = thread_shard();
    Shard& shard = shards_[home];
    T* record = nullptr;
    {
      const MutexLock lock(shard.mutex);
      if (shard.free == nullptr) shard.free = shard.returned.exchange(nullptr, std::memory_order_acquire);
      if (shard.free == nullptr) shard.free = grow();
      if (shard.free == nullptr) return nullptr;
      record = shard.free;
      shard.free = record->next;
    }
    record->home_ = static_cast<std::uint8_t>(home);
    renew(*record);
    return record;
  }

  /// Prepares an unarmed record for its next use, without free() and allocate(). Returns false if the record must be
  /// freed instead.
  bool reuse(T& record) noexcept {
    if (is_worn_out(record)) return false;
    renew(record);
    return true;
  }

  /// Frees a record, which must not be armed. Any thread.
  void free(T* record) noexcept {
    // A record whose generations are used up is never reused, so that no token is given twice.
    if (is_worn_out(*record)) return;
    auto& returned = shards_[record->home_].returned;
    T* head = returned.load(std::memory_order_relaxed);
    do {
      record->next = head;
    } while (!returned.compare_exchange_weak(head, record, std::memory_order_release, std::memory_order_relaxed));
  }

  /// The record of a token, which may be stale; nullptr if `value` cannot be a token. Claim or lock the record before
  /// accessing anything else in it.
  T* find(std::uint64_t value) noexcept {
    if (token::kind(value) != kind || (value & token::locked) != 0) return nullptr;
    const std::uint64_t index = token::index(value);
    T* const chunk = chunks_[index / chunk_size].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : chunk + index % chunk_size;
  }

 private:
  static constexpr std::size_t chunk_size = 256;
  static constexpr std::size_t chunk_count = (std::size_t{1} << token::index_bits) / chunk_size;

  struct alignas(64) Shard {
    Mutex mutex;
    T* free BP_GUARDED_BY(mutex) = nullptr;
    std::atomic<T*> returned{nullptr};
  };

  static bool is_worn_out(const Record& record) noexcept {
    return token::generation(record.token()) >= token::max_generation;
  }
  static void renew(Record& record) noexcept {
    record.token_.store(record.token() + token::make(1, 0, 0), std::memory_order_relaxed);
  }

  // Allocate first, then take a chunk number, because a number cannot be given back.
  T* grow() noexcept {
    if (used_chunks_.load(std::memory_order_relaxed) >= chunk_count) return nullptr;
    constexpr std::size_t bytes = sizeof(T) * chunk_size;
    if (!charge_memory(bytes, MemoryUse::small)) return nullptr;
    T* const chunk = new (std::nothrow) T[chunk_size];
    if (chunk == nullptr) {
      release_memory(bytes);
      return nullptr;
    }
    const std::uint32_t number = used_chunks_.fetch_add(1, std::memory_order_relaxed);
    if (number >= chunk_count) {
      used_chunks_.store(chunk_count, std::memory_order_relaxed);
      delete[] chunk;
      release_memory(bytes);
      return nullptr;
    }
    for (std::size_t i = 0; i < chunk_size; ++i) {
      Record& record = chunk[i];
      // Generation 0 is never a use. No thread can look the record up yet.
      record.token_.store(token::make(0, number * chunk_size + i, kind), std::memory_order_relaxed);
      chunk[i].next = i + 1 < chunk_size ? &chunk[i + 1] : nullptr;
    }
    chunks_[number].store(chunk, std::memory_order_release);
    return chunk;
  }

  std::array<Shard, shard_count> shards_;
  std::array<std::atomic<T*>, chunk_count> chunks_{};
  std::atomic<std::uint32_t> used_chunks_{0};
};

}  // namespace backplane::host
