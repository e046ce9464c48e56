// SPDX-License-Identifier: Apache-2.0
//
// Records with 64-bit tokens. Their addresses stay valid forever, so a token of any age can be looked up safely.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "memory/budget.hpp"
#include "slab/token.hpp"
#include "sync/mutex.hpp"
#include "sync/thread_shard.hpp"

namespace backplane::host {

/// T derives from Record, and has a member `T* next`, which the slab uses while the record is free. There is one slab
/// per kind and process. allocate() takes from the calling thread's shard. free() returns to the shard of the
/// allocation. So records circulate between a producer and its consumer without malloc and free.
///
/// T may have a member `void restore()`, which makes a record of all zero bytes as new. Then trim() is there.
template <class T, unsigned kind>
class Slab {
 public:
  /// A record with a new token, not armed; nullptr if out of memory.
  T* allocate() noexcept { return allocate(1); }

  /// The same for at least one and at most `most` records, linked by `next`. Takes the lock once.
  T* allocate(std::size_t most) noexcept {
    const unsigned home = thread_shard();
    Shard& shard = shards_[home];
    T* first = nullptr;
    {
      const MutexLock lock(shard.mutex);
      if (shard.free == nullptr) shard.free = shard.returned.exchange(nullptr, std::memory_order_acquire);
      if (shard.free == nullptr) shard.free = grow();
      if (shard.free == nullptr) return nullptr;
      first = shard.free;
      T* last = first;
      for (; --most != 0 && last->next != nullptr; last = last->next) {
      }
      shard.free = std::exchange(last->next, nullptr);
    }
    for (T* record = first; record != nullptr; record = record->next) {
      record->home_ = static_cast<std::uint8_t>(home);
      renew(*record);
    }
    return first;
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

  /// Returns the memory of chunks without a used record to the system, except a few for the next burst. The chunk's
  /// address stays readable: a stale token then finds zero, which is no token. The chunk's next records go on with its
  /// largest generation, so no token is given twice. Any thread, one at a time; takes milliseconds after a large burst.
  void trim() noexcept requires requires(T& record) { record.restore(); }
  {
    const std::unique_ptr<std::uint16_t[]> free_in(new (std::nothrow) std::uint16_t[chunk_count]());
    if (free_in == nullptr) return;
    std::size_t kept = 0;
    for (Shard& shard : shards_) trim(shard, free_in.get(), kept);
  }

 private:
  static constexpr std::size_t chunk_size = 512;
  static constexpr std::size_t chunk_count = (std::size_t{1} << token::index_bits) / chunk_size;
  static constexpr std::size_t page = 4096;  // or a part of one; then madvise() refuses, and trim() returns nothing
  static constexpr std::size_t chunk_bytes = (sizeof(T) * chunk_size + page - 1) / page * page;
  static constexpr std::size_t chunks_kept = 4;

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

  T* grow() noexcept {
    if (!charge_memory(chunk_bytes, MemoryUse::small)) return nullptr;
    T* chunk = grow_cold();
    if (chunk == nullptr) chunk = grow_new();
    if (chunk == nullptr) release_memory(chunk_bytes);
    return chunk;
  }

  // Allocate first, then take a chunk number, because a number cannot be given back.
  T* grow_new() noexcept {
    if (used_chunks_.load(std::memory_order_relaxed) >= chunk_count) return nullptr;
    void* const memory = ::operator new(chunk_bytes, std::align_val_t(page), std::nothrow);
    if (memory == nullptr) return nullptr;
    const std::uint32_t number = used_chunks_.fetch_add(1, std::memory_order_relaxed);
    if (number >= chunk_count) {
      used_chunks_.store(chunk_count, std::memory_order_relaxed);
      ::operator delete(memory, std::align_val_t(page));
      return nullptr;
    }
    T* const chunk = static_cast<T*>(memory);
    for (std::size_t i = 0; i < chunk_size; ++i) new (chunk + i) T;
    number_records(chunk, number, 0);  // generation 0 is never a use; no thread can look the records up yet
    chunks_[number].store(chunk, std::memory_order_release);
    return chunk;
  }

  static void number_records(T* chunk, std::uint32_t number, std::uint64_t generation) noexcept {
    for (std::size_t i = 0; i < chunk_size; ++i) {
      Record& record = chunk[i];
      record.token_.store(token::make(generation, number * chunk_size + i, kind), std::memory_order_relaxed);
      chunk[i].next = i + 1 < chunk_size ? &chunk[i + 1] : nullptr;
    }
  }

  // ---- Chunks without memory
  T* grow_cold() noexcept {
    if constexpr (requires(T & record) { record.restore(); }) {
      std::uint32_t number = 0;
      {
        const MutexLock lock(cold_mutex_);
        if (cold_ == 0) return nullptr;
        number = cold_ - 1;
        cold_ = next_cold_[number];
      }
      T* const chunk = chunks_[number].load(std::memory_order_relaxed);
      for (std::size_t i = 0; i < chunk_size; ++i) chunk[i].restore();
      number_records(chunk, number, last_generation_[number]);
      return chunk;
    } else {
      return nullptr;
    }
  }

  static std::uint64_t chunk_of(const Record& record) noexcept { return token::index(record.token()) / chunk_size; }

  // The walks are outside the lock: a thread that allocates meanwhile grows a chunk.
  void trim(Shard& shard, std::uint16_t* free_in, std::size_t& kept) noexcept {
    T* all = nullptr;
    {
      const MutexLock lock(shard.mutex);
      all = std::exchange(shard.free, nullptr);
    }
    free_in_chunks(all, free_in);
    T* const returned = shard.returned.exchange(nullptr, std::memory_order_acquire);
    free_in_chunks(returned, free_in);
    T* left = nullptr;
    T* last = nullptr;
    for (T* list : {all, returned}) {
      while (list != nullptr) {
        T* const record = std::exchange(list, list->next);
        std::uint16_t& free = free_in[chunk_of(*record)];
        if (free == chunk_size && kept < chunks_kept) {
          free = 0;
          ++kept;
        }
        if (free == chunk_size) continue;
        record->next = std::exchange(left, record);
        if (last == nullptr) last = record;
      }
    }
    const std::size_t used = std::min<std::size_t>(used_chunks_.load(std::memory_order_relaxed), chunk_count);
    for (std::size_t i = 0; i < used; ++i) {
      if (std::exchange(free_in[i], std::uint16_t{0}) == chunk_size) cool(static_cast<std::uint32_t>(i));
    }
    if (left == nullptr) return;
    T* head = shard.returned.load(std::memory_order_relaxed);
    do {
      last->next = head;
    } while (!shard.returned.compare_exchange_weak(head, left, std::memory_order_release, std::memory_order_relaxed));
  }

  static void free_in_chunks(const T* list, std::uint16_t* free_in) noexcept {
    for (; list != nullptr; list = list->next) ++free_in[chunk_of(*list)];
  }

  void cool(std::uint32_t number) noexcept {
    T* const chunk = chunks_[number].load(std::memory_order_relaxed);
    std::uint64_t& last = last_generation_[number];
    for (std::size_t i = 0; i < chunk_size; ++i) last = std::max(last, token::generation(chunk[i].token()));
    ::madvise(chunk, chunk_bytes, MADV_DONTNEED);
    release_memory(chunk_bytes);
    const MutexLock lock(cold_mutex_);
    next_cold_[number] = cold_;
    cold_ = number + 1;
  }

  std::array<Shard, shard_count> shards_;
  std::array<std::atomic<T*>, chunk_count> chunks_{};
  std::atomic<std::uint32_t> used_chunks_{0};

  Mutex cold_mutex_;
  std::uint32_t cold_ BP_GUARDED_BY(cold_mutex_) = 0;  // a list of chunk numbers, plus 1
  std::array<std::uint32_t, chunk_count> next_cold_{};
  std::array<std::uint64_t, chunk_count> last_generation_{};  // of each cold chunk
};

}  // namespace backplane::host
