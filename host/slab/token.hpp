// SPDX-License-Identifier: Apache-2.0
//
// Tokens are the 64-bit names of records. A claim ends a use of a record and makes its token stale.
#pragma once

#include <atomic>
#include <cstdint>

#include "sync/asymmetric_fence.hpp"
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

}  // namespace backplane::host
