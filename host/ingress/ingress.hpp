// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "support/mpsc.hpp"
#include "support/thread_shard.hpp"

namespace backplane {

/// Where submitted requests wait for the request thread: many producers, one consumer, no lock. Each
/// producer keeps to one shard, so its own requests stay in order and producers do not meet.
/// T has `T* next` and `std::uint32_t shard`.
template <class T>
class Ingress {
 public:
  enum class Push { ok, closed, full };

  /// `depth`: how many may wait, counted from push() to started().
  explicit Ingress(std::uint32_t depth) : depth_(depth) {}

  Push push(T* item) noexcept {
    const unsigned number = thread_shard();
    Shard& shard = shards_[number];
    if (full(shard)) return Push::full;
    item->shard = number;
    shard.pushed.fetch_add(1, std::memory_order_relaxed);
    if (shard.queue.push(item)) return Push::ok;
    shard.pushed.fetch_sub(1, std::memory_order_relaxed);
    return Push::closed;
  }

  /// Consumer: moves all that waits to the end of `into`; whether there was anything.
  bool take_all(Fifo<T>& into) noexcept {
    bool any = false;
    for (Shard& shard : shards_) {
      for (T* item = shard.queue.take_all(); item != nullptr;) {
        T* const next = item->next;
        into.push(item);
        item = next;
        any = true;
      }
    }
    return any;
  }

  /// Consumer: `item` waits no longer.
  void started(const T& item) noexcept {
    auto& count = shards_[item.shard].started;
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  bool empty() const noexcept {
    for (const Shard& shard : shards_) {
      if (!shard.queue.empty()) return false;
    }
    return true;
  }

  /// From now on every push is refused. What has been pushed can still be taken.
  void close() noexcept {
    for (Shard& shard : shards_) shard.queue.close();
  }

  /// Takes requests again. Nobody may be pushing.
  void open() noexcept {
    for (Shard& shard : shards_) shard.queue.open();
  }

  /// How many wait, give or take those being pushed this moment.
  std::uint64_t waiting() const noexcept {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.waiting();
    return sum;
  }

 private:
  struct alignas(64) Shard {
    MpscQueue<T> queue;
    std::atomic<std::uint64_t> pushed{0};
    alignas(64) std::atomic<std::uint64_t> started{0};  // the consumer's alone to write

    std::uint64_t waiting() const noexcept {
      const std::uint64_t begun = started.load(std::memory_order_relaxed);
      const std::uint64_t all = pushed.load(std::memory_order_relaxed);
      return all > begun ? all - begun : 0;
    }
  };

  // Summing up takes a look at every shard's cache lines. A deep queue spares it to a producer whose own
  // shard holds less than its share, and may so hold more than the depth, by as much again at most.
  bool full(const Shard& mine) const noexcept {
    return (depth_ <= exact_up_to || mine.waiting() >= depth_ / shard_count) && waiting() >= depth_;
  }

  static constexpr std::uint32_t exact_up_to = 16'384;

  const std::uint32_t depth_;
  std::array<Shard, shard_count> shards_;
};

}  // namespace backplane
