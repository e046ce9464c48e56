// SPDX-License-Identifier: Apache-2.0
//
// One budget for the memory that the host allocates in large or unbounded amounts.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace backplane::host {

/// What memory is for. At the limit, the more important use still gets memory.
enum class MemoryUse {
  large,  ///< blocks above 64 KiB: up to the limit without two reserves
  small   ///< smaller ones: up to the limit without one reserve, which is left for take_anyway()
};

/// How much memory there is, and how much of it is in use, in bytes. Any thread. Nothing throws or allocates.
///
/// All threads share its counters. Frequent users charge a MemoryAccount instead.
class MemoryBudget {
 public:
  static constexpr std::uint64_t unlimited = UINT64_MAX;
  static constexpr std::uint64_t most_reserve = std::uint64_t{16} << 20;
  /// Blocks above this size are large.
  static constexpr std::size_t small_most = std::size_t{64} << 10;

  constexpr explicit MemoryBudget(std::uint64_t limit = unlimited) noexcept : limit_(limit) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  void set_limit(std::uint64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
  std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  /// A sixteenth of the limit, but at most most_reserve.
  static constexpr std::uint64_t reserve_of(std::uint64_t limit) noexcept { return std::min(limit / 16, most_reserve); }

  /// Takes `size` bytes. Returns false, and takes nothing, if that would exceed what `use` may fill.
  bool take(std::uint64_t size, MemoryUse use) noexcept;
  /// Takes `size` bytes even beyond the limit, for memory that is in use already, or without which nobody could manage
  /// the host.
  void take_anyway(std::uint64_t size) noexcept { note_peak(used_.fetch_add(size, std::memory_order_relaxed) + size); }
  void give(std::uint64_t size) noexcept { used_.fetch_sub(size, std::memory_order_relaxed); }
  /// Counts a refusal.
  void refuse() noexcept { refused_.fetch_add(1, std::memory_order_relaxed); }

  struct Counts {
    std::uint64_t limit;
    std::uint64_t used;  ///< with what the accounts keep for later
    std::uint64_t peak;
    std::uint64_t refused;  ///< requests for memory
  };
  Counts counts() const noexcept;

  /// The largest use since the last call.
  std::uint64_t take_high() noexcept;

 private:
  void note_peak(std::uint64_t used) noexcept;

  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> peak_{0};
  std::atomic<std::uint64_t> high_{0};
  std::atomic<std::uint64_t> refused_{0};
  alignas(64) std::atomic<std::uint64_t> used_{0};
};

/// A share of a budget that one thread uses. It takes from the budget in steps, so that most charges touch no shared
/// counter. It keeps at most two steps that are not in use.
class MemoryAccount {
 public:
  static constexpr std::uint64_t step = std::uint64_t{64} << 10;

  constexpr explicit MemoryAccount(MemoryBudget& budget) noexcept : budget_(budget) {}
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  bool charge(std::uint64_t size, MemoryUse use) noexcept {
    if (size > free_) [[unlikely]]
      return charge_more(size, use);
    free_ -= size;
    return true;
  }
  /// What was charged to any account of the budget.
  void release(std::uint64_t size) noexcept {
    free_ += size;
    if (free_ > most_free_) [[unlikely]]
      give_back();
  }
  void charge_anyway(std::uint64_t size) noexcept;

  /// From now on, keeps up to two steps. Before, and after close(), it keeps nothing.
  void open() noexcept { most_free_ = 2 * step; }
  void close() noexcept {
    most_free_ = 0;
    give_back();
  }
  bool is_open() const noexcept { return most_free_ != 0; }

 private:
  bool charge_more(std::uint64_t size, MemoryUse use) noexcept;
  void give_back() noexcept;

  MemoryBudget& budget_;
  std::uint64_t free_ = 0;  ///< taken from the budget, and not in use
  std::uint64_t most_free_ = 0;
};

/// The budget of this process.
extern constinit MemoryBudget memory_budget;

/// The use of a block of this size.
constexpr MemoryUse use_of(std::size_t size) noexcept {
  return size > MemoryBudget::small_most ? MemoryUse::large : MemoryUse::small;
}

// These use the calling thread's account of memory_budget. What one thread has charged, another may release. The
// account of a thread that ends goes back to the budget.

/// Returns false if the limit is reached.
bool charge_memory(std::size_t size, MemoryUse use) noexcept;
inline bool charge_memory(std::size_t size) noexcept { return charge_memory(size, use_of(size)); }
void charge_memory_anyway(std::size_t size) noexcept;
void release_memory(std::size_t size) noexcept;
/// Whether the limit has refused this thread memory since forget_memory_refusal().
bool memory_was_refused() noexcept;
void forget_memory_refusal() noexcept;

/// The message of a refusal, with the limit and its name. Needs no memory.
class MemoryLimitText {
 public:
  MemoryLimitText() noexcept;
  operator std::string_view() const noexcept { return {text_, size_}; }

 private:
  char text_[96];
  std::size_t size_ = 0;
};

}  // namespace backplane::host
