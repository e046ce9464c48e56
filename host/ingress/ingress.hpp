// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "ingress/lane.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/mpsc.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The queue of submitted requests for the request thread: many producers, one consumer, no lock.
///
/// Each producer thread has its own lane while it lives, so producers do not contend, and each one's requests stay in
/// order. Threads beyond `lane_count` share one queue for their whole lives, so their order is kept as well. An entry
/// is an InlineCall, read in place, or a T (with `T* next`) allocated by the producer. A thread without a lane sends a
/// T.
template <class T, class InlineCall>
class Ingress {
 public:
  using Lane = backplane::host::Lane<T, InlineCall>;
  using Entry = typename Lane::Entry;
  enum class Push { ok, closed, full, no_memory };

  static constexpr std::size_t lane_count = 64;

  /// `depth`: the maximum number of waiting entries, from the push until they are taken.
  explicit Ingress(std::uint32_t depth) : depth_(depth) {}
  Ingress(const Ingress&) = delete;
  Ingress& operator=(const Ingress&) = delete;
  ~Ingress() {
    for (std::size_t i = 0; i < used_.load(); ++i) delete lanes_[i].load();
  }

  // ---- Producers ----

  /// The calling thread's lane; nullptr if it has none and must push a T.
  Lane* lane() noexcept {
    ThreadRecord* const me = thread_record();
    if (me == nullptr) return nullptr;
    const ThreadRecord::LaneCache& cache = me->lane_caches[id_ % ThreadRecord::lane_caches_kept];
    return cache.ingress == id_ ? static_cast<Lane*>(cache.lane) : find_lane(*me);
  }

  /// Lets `fill` write an inline call in place, and sends it. `fill` must not fail, and must not call this object.
  template <class Fill>
  Push send(Lane& lane, Fill fill) noexcept {
    return in_lane(lane, [&](Entry& entry) {
      entry.is_inline = true;
      fill(entry.inline_call);
    });
  }

  /// Sends a T. `urgent`: the consumer should see it early; see look_for_urgent(). Calls `before` when nothing can
  /// refuse the item any more, and before the consumer can see it; so what `before` publishes need not be taken back.
  template <class Before>
  Push push(T* item, bool urgent, Before before) noexcept {
    if (Lane* const own = lane()) {
      const Push pushed = in_lane(*own, [&](Entry& entry) {
        before();
        entry.is_inline = false;
        entry.made = item;
      });
      if (pushed == Push::ok && urgent) own->urgent();
      return pushed;
    }
    return push_shared(item, before);
  }
  Push push(T* item, bool urgent) noexcept {
    return push(item, urgent, [] {});
  }

  /// The same by the shared queue, also for a thread that has a lane. The thread's other items may overtake it.
  template <class Before>
  Push push_shared(T* item, Before before) noexcept {
    shared_sending_.fetch_add(1, std::memory_order_seq_cst);  // before reading closed_; see close()
    Push result = Push::ok;
    if (closed_.load(std::memory_order_seq_cst)) {
      result = Push::closed;
    } else if (waiting() >= depth_) {
      result = Push::full;
    } else {
      before();
      shared_sent_.fetch_add(1, std::memory_order_relaxed);
      shared_.push(item);
    }
    shared_sending_.fetch_sub(1, std::memory_order_release);
    return result;
  }
  std::uint32_t depth() const noexcept { return depth_; }
  bool closed() const noexcept { return closed_.load(std::memory_order_seq_cst); }

  // ---- The consumer ----

  /// All entries sent without a lane, oldest first, linked by `next`. Each counts as waiting until taken_shared().
  T* take_shared() noexcept { return shared_.take_all(); }
  void taken_shared() noexcept { add_single_writer(shared_taken_); }

  /// The next entry, or nullptr. Takes several entries from a lane, then moves to the next lane.
  Entry* front() noexcept {
    const std::size_t used = used_.load(std::memory_order_acquire);
    if (used == 0) return nullptr;
    if (turns_left_ == 0) next_lane(used);
    for (std::size_t looked = 0; looked < used; ++looked) {
      if (Entry* const entry = lanes_[at_].load(std::memory_order_relaxed)->front()) return entry;
      next_lane(used);
    }
    return nullptr;
  }
  /// Removes the entry of front().
  void pop() noexcept {
    --turns_left_;
    lanes_[at_].load(std::memory_order_relaxed)->pop();
  }

  /// Calls `see` for each urgent T that waits in a lane, and possibly for other T. Each T is shown once.
  template <class See>
  void look_for_urgent(See see) {
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) lanes_[i].load(std::memory_order_relaxed)->look_for_urgent(see);
  }

  /// Gives `see` the oldest entries of each lane: up to `most` of each, and of each until it returns false.
  template <class See>
  void look_at_oldest(See see, std::size_t most) {
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) lanes_[i].load(std::memory_order_relaxed)->look_at_oldest(see, most);
  }

  bool empty() noexcept {
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
      if (lanes_[i].load(std::memory_order_relaxed)->front() != nullptr) return false;
    }
    return shared_.empty();
  }

  // ---- Any thread ----

  /// Refuses every push from now on. Waiting entries can still be taken.
  void close() noexcept {
    closed_.store(true, std::memory_order_seq_cst);
    if (has_lanes()) heavy_fence();
    // A producer that has not seen closed_ has set `sending` or counts in shared_sending_, and finishes without waiting
    // for anything.
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
      while (lanes_[i].load(std::memory_order_acquire)->sending.load(std::memory_order_acquire)) {
        std::this_thread::yield();
      }
    }
    while (shared_sending_.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
  }

  /// Accepts requests again. No thread may be pushing.
  void open() noexcept { closed_.store(false, std::memory_order_relaxed); }

  /// The number of waiting entries. Concurrent pushes may or may not be counted.
  std::uint64_t waiting() const noexcept {
    const std::uint64_t taken = shared_taken_.load(std::memory_order_relaxed);
    const std::uint64_t sent = shared_sent_.load(std::memory_order_relaxed);
    std::uint64_t sum = sent > taken ? sent - taken : 0;
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) sum += lanes_[i].load(std::memory_order_relaxed)->waiting();
    return sum;
  }

 private:
  // Entries taken from one lane before the next lane; enough to make the change cheap.
  static constexpr std::uint32_t turns = 16;
  // Up to this depth the limit is exact, except for concurrent pushes.
  static constexpr std::uint32_t exact_up_to = 16'384;

  // The lock orders this with claim_lane(): a thread that gets the first lane after this has returned false sees
  // closed_.
  bool has_lanes() noexcept {
    const MutexLock lock(mutex_);
    return used_.load(std::memory_order_relaxed) != 0;
  }

  template <class Fill>
  Push in_lane(Lane& lane, Fill fill) noexcept {
    lane.sending.store(true, std::memory_order_relaxed);
    light_fence();  // see close()
    const Push pushed = try_lane(lane, fill);
    lane.sending.store(false, std::memory_order_release);
    return pushed;
  }
  template <class Fill>
  Push try_lane(Lane& lane, Fill fill) noexcept {
    if (closed_.load(std::memory_order_relaxed)) return Push::closed;
    if (full(lane)) return Push::full;
    Entry* const entry = lane.next_entry();
    if (entry == nullptr) return Push::no_memory;
    fill(*entry);
    lane.publish(*entry);
    return Push::ok;
  }

  // Summing up reads a cache line of every lane. For a deep queue, a producer whose own lane holds less than its share
  // skips that. So a deep queue may hold up to twice its depth.
  bool full(Lane& mine) const noexcept {
    if (depth_ > exact_up_to && mine.waiting_below(depth_ / lane_count) < depth_ / lane_count) return false;
    return waiting() >= depth_;
  }

  void next_lane(std::size_t used) noexcept {
    at_ = at_ + 1 < used ? at_ + 1 : 0;
    turns_left_ = turns;
  }

  // The thread's lane: the one it has, one of a thread that has ended, or a new one.
  [[gnu::noinline]] Lane* find_lane(ThreadRecord& me) noexcept {
    Lane* const lane = claim_lane(me);
    if (lane == nullptr) me.without_lanes = true;
    me.lane_caches[id_ % ThreadRecord::lane_caches_kept] = {id_, lane};
    return lane;
  }

  // A thread that once got no lane never gets a new one, because its requests to one context must stay in one queue. It
  // keeps the lanes that it already has.
  Lane* claim_lane(const ThreadRecord& me) noexcept {
    const std::uint64_t my_life = me.life.load(std::memory_order_relaxed);
    const MutexLock lock(mutex_);
    const std::size_t used = used_.load(std::memory_order_relaxed);
    Lane* free = nullptr;
    for (std::size_t i = 0; i < used; ++i) {
      Lane* const lane = lanes_[i].load(std::memory_order_relaxed);
      if (lane->owner == &me && lane->owner_life == my_life) return lane;
      if (lane->owner->life.load(std::memory_order_acquire) != lane->owner_life) free = lane;
    }
    if (me.without_lanes) return nullptr;
    if (free == nullptr) {
      if (used == lane_count) return nullptr;
      free = Lane::make();
      if (free == nullptr) return nullptr;
      lanes_[used].store(free, std::memory_order_relaxed);
      free->owner = &me;
      free->owner_life = my_life;
      used_.store(used + 1, std::memory_order_release);
    }
    free->owner = &me;
    free->owner_life = my_life;
    return free;
  }

  static std::uint64_t next_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  const std::uint32_t depth_;
  const std::uint64_t id_ = next_id();  // unique in the process, so that a cached lane never belongs to another ingress
  std::atomic<bool> closed_{false};
  Mutex mutex_;                                         // guards the owners of lanes
  std::array<std::atomic<Lane*>, lane_count> lanes_{};  // filled from the front, never removed
  std::atomic<std::size_t> used_{0};

  // For threads without a lane.
  alignas(64) MpscQueue<T> shared_;
  std::atomic<std::uint64_t> shared_sent_{0};
  std::atomic<std::uint32_t> shared_sending_{0};  // threads between reading closed_ and the end of their push

  // Written by the consumer.
  alignas(64) std::atomic<std::uint64_t> shared_taken_{0};
  std::size_t at_ = 0;
  std::uint32_t turns_left_ = turns;
};

}  // namespace backplane::host
