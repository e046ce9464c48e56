// SPDX-License-Identifier: Apache-2.0
//
// A queue from one thread to another that stores its entries in place.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "memory/budget.hpp"
#include "sync/prefetch.hpp"
#include "sync/single_writer_count.hpp"
#include "sync/thread_record.hpp"

namespace backplane::host {

/// One producer, one consumer. An entry carries an InlineCall, which is written and read in place, or a pointer to a T.
/// Each side writes only its own members, and only the producer writes entries. So in steady state, only cache lines
/// with entries move between cores, in one direction, and neither side needs an atomic read-modify-write.
///
/// Entries lie in blocks. The consumer returns a block after reading it. The producer stamps each entry last, with the
/// round of its block, so the consumer sees which entries are filled.
template <class T, class InlineCall>
class Lane {
 public:
  static_assert(std::is_trivially_copyable_v<InlineCall>);

  struct alignas(64) Entry {
    std::atomic<std::uint32_t> stamp{0};  ///< the block's round when the entry was last filled
    bool is_inline = false;
    union {
      InlineCall inline_call;
      T* made;
    };
    Entry() noexcept : made(nullptr) {}
  };

  /// A new lane; nullptr if out of memory.
  static Lane* make() noexcept {
    Block* const first = new_block();
    if (first == nullptr) return nullptr;
    auto* const lane = new (std::nothrow) Lane(*first);
    if (lane == nullptr) free_block(first);
    return lane;
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() {
    // Blocks in use are linked from the head. The others have been given back.
    for (Block* block = head_; block != nullptr;) free_block(std::exchange(block, block->next.load()));
    for (Block* block = spare_; block != nullptr;) free_block(std::exchange(block, block->given_back));
    for (Block* block = given_back_.load(); block != nullptr;) free_block(std::exchange(block, block->given_back));
  }

  // ---- The producer ----

  /// The entry to fill next; nullptr if out of memory. The consumer cannot see it yet.
  Entry* next_entry() noexcept {
    if (tail_at_ == per_block && !grow()) [[unlikely]]
      return nullptr;
    Entry* const entry = &tail_->entries[tail_at_];
    if (tail_at_ + prefetch_distance < per_block) {
      const char* const soon = reinterpret_cast<const char*>(entry + prefetch_distance);
      prefetch_to_write(soon);
      prefetch_to_write(soon + 64);
    }
    return entry;
  }
  /// Publishes the entry to the consumer. The caller needs a fence before it checks whether the consumer sleeps.
  void publish(Entry& entry) noexcept {
    entry.stamp.store(tail_->round, std::memory_order_release);
    ++tail_at_;
    add_single_writer(sent_);
  }
  /// Marks that an urgent T has been published.
  void urgent() noexcept { urgent_.store(urgent_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /// The number of waiting entries, from the producer's last reading of `taken_`. A value below `limit` is an upper
  /// bound; otherwise it was just read.
  std::uint64_t waiting_below(std::uint64_t limit) noexcept {
    const std::uint64_t sent = sent_.load(std::memory_order_relaxed);
    if (sent - taken_seen_ >= limit) taken_seen_ = taken_.load(std::memory_order_relaxed);
    return sent - taken_seen_;
  }

  /// Whether an entry that was noted at least `age` ago still waits. If not, and it is time, notes the next entry: the
  /// one that is to be sent. `time`: of any clock. Call it now and then; it seldom looks at what the consumer writes.
  bool waits_since(std::uint64_t time, std::uint64_t age) noexcept {
    if (time - noted_at_ < age) return false;
    if (taken_.load(std::memory_order_relaxed) < noted_) return true;
    noted_at_ = time;
    noted_ = sent_.load(std::memory_order_relaxed) + 1;
    return false;
  }

  // ---- Any thread ----
  std::uint64_t waiting() const noexcept {
    const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
    const std::uint64_t sent = sent_.load(std::memory_order_relaxed);
    return sent > taken ? sent - taken : 0;
  }
  std::uint64_t sent() const noexcept { return sent_.load(std::memory_order_relaxed); }

  // ---- The consumer ----

  /// The oldest entry, or nullptr.
  Entry* front() noexcept {
    if (head_at_ == per_block && !advance()) return nullptr;
    Entry& entry = head_->entries[head_at_];
    return entry.stamp.load(std::memory_order_acquire) == head_->round ? &entry : nullptr;
  }
  /// Removes the oldest entry.
  void pop() noexcept {
    ++head_at_;
    if (head_at_ + prefetch_distance < per_block) {
      const char* const soon = reinterpret_cast<const char*>(&head_->entries[head_at_ + prefetch_distance]);
      __builtin_prefetch(soon);
      __builtin_prefetch(soon + 64);
    }
    add_single_writer(taken_);
  }

  /// If an urgent T has arrived since the last call, calls `see` for each T behind the front that it has not seen yet.
  template <class See>
  void look_for_urgent(See see) {
    const std::uint64_t urgent = urgent_.load(std::memory_order_acquire);
    if (urgent == urgent_seen_) return;
    urgent_seen_ = urgent;
    if (looked_ <= taken_.load(std::memory_order_relaxed)) {
      if (front() == nullptr) return;
      look_ = head_;
      look_at_ = head_at_;
      looked_ = taken_.load(std::memory_order_relaxed);
    }
    for (;;) {
      if (look_at_ == per_block) {
        Block* const next = look_->next.load(std::memory_order_acquire);
        if (next == nullptr) return;
        look_ = next;
        look_at_ = 0;
      }
      Entry& entry = look_->entries[look_at_];
      if (entry.stamp.load(std::memory_order_acquire) != look_->round) return;
      if (!entry.is_inline) see(*entry.made);
      ++look_at_;
      ++looked_;
    }
  }

  /// Gives `see` the oldest entries, up to `most`, until it returns false; and whether it is the first.
  template <class See>
  void look_at_oldest(See& see, std::size_t most) {
    if (front() == nullptr) return;
    const Block* block = head_;
    std::size_t at = head_at_;
    for (std::size_t i = 0; i < most; ++i, ++at) {
      if (at == per_block) {
        block = block->next.load(std::memory_order_acquire);
        if (block == nullptr) return;
        at = 0;
      }
      const Entry& entry = block->entries[at];
      if (entry.stamp.load(std::memory_order_acquire) != block->round || !see(entry, i == 0)) return;
    }
  }

  // ---- The owner of the lane; guarded by the mutex of the ingress ----
  const ThreadRecord* owner = nullptr;
  std::uint64_t owner_life = 0;

  /// Set while the producer is about to publish; see Ingress::close().
  std::atomic<bool> sending{false};

 private:
  static constexpr std::size_t per_block = 64;
  static constexpr std::size_t prefetch_distance = 6;  // measured
  static constexpr std::uint64_t spare_blocks = 32;    // kept for the next burst; further blocks are deleted

  struct Block {
    std::array<Entry, per_block> entries;
    std::uint32_t round = 1;  // constant while the block is linked
    std::atomic<Block*> next{nullptr};
    Block* given_back = nullptr;
  };

  static Block* new_block() noexcept {
    if (!charge_memory(sizeof(Block))) return nullptr;
    Block* const block = new (std::nothrow) Block;
    if (block == nullptr) release_memory(sizeof(Block));
    return block;
  }
  static void free_block(Block* block) noexcept {
    delete block;
    release_memory(sizeof(Block));
  }

  explicit Lane(Block& first) noexcept : tail_(&first), head_(&first) {}

  bool grow() noexcept {
    if (spare_ == nullptr) spare_ = given_back_.exchange(nullptr, std::memory_order_acquire);
    Block* block = spare_;
    if (block != nullptr) {
      spare_ = block->given_back;
      add_single_writer(reused_);
      ++block->round;
      block->next.store(nullptr, std::memory_order_relaxed);
    } else if (block = new_block(); block == nullptr) {
      return false;
    }
    tail_->next.store(block, std::memory_order_release);
    tail_ = block;
    tail_at_ = 0;
    return true;
  }

  bool advance() noexcept {
    Block* const next = head_->next.load(std::memory_order_acquire);
    if (next == nullptr) return false;
    Block* const read = std::exchange(head_, next);
    head_at_ = 0;
    if (returned_ - reused_.load(std::memory_order_relaxed) >= spare_blocks) {
      free_block(read);
      return true;
    }
    ++returned_;
    read->given_back = given_back_.load(std::memory_order_relaxed);
    while (!given_back_.compare_exchange_weak(read->given_back, read, std::memory_order_release,
                                              std::memory_order_relaxed)) {
    }
    return true;
  }

  // Written by the producer.
  alignas(64) Block* tail_;
  std::size_t tail_at_ = 0;
  Block* spare_ = nullptr;
  std::uint64_t taken_seen_ = 0;
  std::uint64_t noted_at_ = 0;  // see waits_since()
  std::uint64_t noted_ = 0;     // the noted entry waits while fewer are taken
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> urgent_{0};
  std::atomic<std::uint64_t> reused_{0};

  // Written by the consumer.
  alignas(64) Block* head_;
  std::size_t head_at_ = 0;
  std::atomic<std::uint64_t> taken_{0};
  std::uint64_t returned_ = 0;
  std::uint64_t urgent_seen_ = 0;
  Block* look_ = nullptr;
  std::size_t look_at_ = 0;
  std::uint64_t looked_ = 0;

  alignas(64) std::atomic<Block*> given_back_{nullptr};
};

}  // namespace backplane::host
