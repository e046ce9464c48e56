// SPDX-License-Identifier: Apache-2.0
//
// Records with 64-bit tokens. Their memory is never freed, so a token of any age can be looked up safely.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <new>

#include "sync/asymmetric_fence.hpp"
#include "sync/mutex.hpp"
#include "sync/thread_shard.hpp"

namespace backplane::host {

/// The layout of a token: | 0 | generation 37 | index 24 | kind 2 |. The top bit marks a locked record (Record::lock).
namespace token {
inline constexpr unsigned kind_bits = 2;
inline constexpr unsigned index_bits = 24;
inline constexpr std::uint64_t max_generation = (std::uint64_t{1} << 37) - 1;
inline constexpr std::uint64_t locked = std::uint64_t{1} << 63;

constexpr std::uint64_t make(std::uint64_t generation, std::uint64_t index, unsigned kind) noexcept {
  return generation << (index_bits + kind_bits) | index << kind_bits | kind;
}
constexpr std::uint64_t generation(std::uint64_t value) noexcept { return value >> (index_bits + kind_bits); }
constexpr std::uint64_t index(std::uint64_t value) noexcept {
  return value >> kind_bits & ((std::uint64_t{1} << index_bits) - 1);
}
constexpr unsigned kind(std::uint64_t value) noexcept { return value & ((1u << kind_bits) - 1); }
}  // namespace token

/// The base of a record in a Slab.
class Record {
 public:
  /// The token of the current use of the record. Constant from arm() until the record is freed.
  std::uint64_t token() const noexcept { return token_.load(std::memory_order_relaxed); }

  /// Whether the record is not claimed yet.
  bool open() const noexcept { return live_.load(std::memory_order_acquire) != 0; }

  /// Claims a use of the record. Exactly one caller succeeds; then `value` is stale.
  bool claim(std::uint64_t value) noexcept {
    if (!lock(value)) return false;
    claim_locked();
    return true;
  }

  /// Prevents claims until unlock(). Returns false if `value` is stale.
  bool lock(std::uint64_t value) noexcept {
    std::uint64_t expected = value;
    while (!live_.compare_exchange_weak(expected, value | token::locked, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
      if (expected != value && expected != (value | token::locked)) return false;
      expected = value;  // weak failure, or locked by another thread for a few instructions
    }
    if (owned_.load(std::memory_order_acquire)) return lock_against_owner(value);
    // The owner may have claimed the record before it disowned it, and it may be in its next use. So check again.
    return live_.load(std::memory_order_acquire) == (value | token::locked);
  }
  void unlock(std::uint64_t value) noexcept { live_.store(value, std::memory_order_release); }
  /// Claims a record that the caller has locked.
  void claim_locked() noexcept { live_.store(0, std::memory_order_release); }

  /// Makes the token valid, after the record is filled in. The stores here and in arm_owned() are releases: a thread
  /// with a token of the previous use then sees that this use is over.
  void arm() noexcept {
    owned_.store(false, std::memory_order_release);
    live_.store(token(), std::memory_order_release);
  }

  /// As arm(). Until disown(), the calling thread may use claim_owned(), which needs no atomic exchange (an exchange
  /// costs about thirty instructions). Locking by other threads is slower meanwhile.
  void arm_owned() noexcept {
    owner_claims_.store(false, std::memory_order_release);
    owned_.store(true, std::memory_order_release);
    live_.store(token(), std::memory_order_release);
  }
  /// As claim(), for the owner.
  bool claim_owned(std::uint64_t value) noexcept {
    owner_claims_.store(true, std::memory_order_relaxed);
    light_fence();  // see lock_against_owner()
    if (live_.load(std::memory_order_acquire) == value) [[likely]] {
      live_.store(0, std::memory_order_release);  // also clears the lock bit of a thread that came too late
      return true;
    }
    owner_claims_.store(false, std::memory_order_release);
    return claim(value);
  }
  void disown() noexcept { owned_.store(false, std::memory_order_release); }

 private:
  template <class T, unsigned kind>
  friend class Slab;

  // Called after setting the lock bit. Either the owner sees the bit and does not claim, or this thread sees
  // owner_claims_ and waits for the owner's decision. If the bit is gone, this thread came too late.
  bool lock_against_owner(std::uint64_t value) noexcept {
    heavy_fence();
    while (owner_claims_.load(std::memory_order_acquire)) {
      if (live_.load(std::memory_order_acquire) != (value | token::locked)) return false;
    }
    return live_.load(std::memory_order_acquire) == (value | token::locked);
  }

  std::atomic<std::uint64_t> live_{0};   // the token while it can be claimed, otherwise 0
  std::atomic<std::uint64_t> token_{0};  // atomic, because stale lookups may read it at any time
  std::uint8_t home_ = 0;                // the shard to which free() returns it
  static_assert(shard_count <= 256);
  std::atomic<bool> owned_{false};
  std::atomic<bool> owner_claims_{false};
};

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
    T* const chunk = new (std::nothrow) T[chunk_size];
    if (chunk == nullptr) return nullptr;
    const std::uint32_t number = used_chunks_.fetch_add(1, std::memory_order_relaxed);
    if (number >= chunk_count) {
      used_chunks_.store(chunk_count, std::memory_order_relaxed);
      delete[] chunk;
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
