// SPDX-License-Identifier: Apache-2.0
//
// What makes and checks tokens: the 64-bit names of records, and the claim that makes one stale.
#pragma once

#include <atomic>
#include <cstdint>

#include "sync/asymmetric_fence.hpp"
#include "sync/thread_shard.hpp"

namespace backplane::host {

/// What a token is made of: | 0 | generation 37 | index 24 | kind 2 |. The top bit marks a record that
/// a thread works on for a moment (Record::lock).
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
  /// The token of this use of the record; constant from arm() until the record is freed.
  std::uint64_t token() const noexcept { return token_.load(std::memory_order_relaxed); }

  /// Whether nobody has claimed the record yet.
  bool open() const noexcept { return live_.load(std::memory_order_acquire) != 0; }

  /// Of all who claim a use of the record, exactly one succeeds; from then on `value` is stale.
  bool claim(std::uint64_t value) noexcept {
    if (!lock(value)) return false;
    claim_locked();
    return true;
  }

  /// Keeps the record from being claimed until unlock(); false if `value` is stale.
  bool lock(std::uint64_t value) noexcept {
    std::uint64_t expected = value;
    while (!live_.compare_exchange_weak(expected, value | token::locked, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
      if (expected != value && expected != (value | token::locked)) return false;
      expected = value;  // weak failure, or locked by another thread for a few instructions
    }
    if (owned_.load(std::memory_order_acquire)) return lock_against_owner(value);
    // If it is not owned any more, its owner may have claimed it first all the same, and have put it to its next use.
    return live_.load(std::memory_order_acquire) == (value | token::locked);
  }
  void unlock(std::uint64_t value) noexcept { live_.store(value, std::memory_order_release); }
  /// Claims what the caller has locked.
  void claim_locked() noexcept { live_.store(0, std::memory_order_release); }

  /// Makes the token valid: the record is filled in. Released, here and in arm_owned(), so that who comes too late for
  /// the use before sees with it that this is over.
  void arm() noexcept {
    owned_.store(false, std::memory_order_release);
    live_.store(token(), std::memory_order_release);
  }

  /// The same, and until disown() the calling thread may claim it without an atomic exchange, which takes as long as
  /// thirty other instructions: it says that it claims, and looks whether somebody else has. To others a lock is
  /// dearer meanwhile.
  void arm_owned() noexcept {
    owner_claims_.store(false, std::memory_order_release);
    owned_.store(true, std::memory_order_release);
    live_.store(token(), std::memory_order_release);
  }
  /// The owner: as claim().
  bool claim_owned(std::uint64_t value) noexcept {
    owner_claims_.store(true, std::memory_order_relaxed);
    light_fence();  // see lock_against_owner()
    if (live_.load(std::memory_order_acquire) == value) [[likely]] {
      live_.store(0, std::memory_order_release);  // and with it the mark of one who has been too late
      return true;
    }
    owner_claims_.store(false, std::memory_order_release);
    return claim(value);
  }
  void disown() noexcept { owned_.store(false, std::memory_order_release); }

 private:
  template <class T, unsigned kind>
  friend class Slab;

  // After the mark: either the owner sees it, and gives way, or it is seen here that the owner claims, and waited for
  // what it decides. A mark that is not there any more has come too late.
  bool lock_against_owner(std::uint64_t value) noexcept {
    heavy_fence();
    while (owner_claims_.load(std::memory_order_acquire)) {
      if (live_.load(std::memory_order_acquire) != (value | token::locked)) return false;
    }
    return live_.load(std::memory_order_acquire) == (value | token::locked);
  }

  std::atomic<std::uint64_t> live_{0};   // the token while it can be claimed, else 0
  std::atomic<std::uint64_t> token_{0};  // atomic because stale lookups may read it at any time
  std::uint8_t home_ = 0;                // the shard that it goes back to
  static_assert(shard_count <= 256);
  std::atomic<bool> owned_{false};
  std::atomic<bool> owner_claims_{false};
};

}  // namespace backplane::host
