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

/// Where submitted requests wait for the request thread: many producers, one consumer, no lock.
///
/// Each producer has a lane of its own, as long as it lives, so that producers do not meet and each one's requests
/// stay in order. The threads beyond `lane_count` share one queue, for all of their lives, and their order is kept too.
/// What is sent is an InlineCall, read in place, or a T (with `T* next`) made beforehand; who has no lane sends a T.
template <class T, class InlineCall>
class Ingress {
 public:
  using Lane = backplane::host::Lane<T, InlineCall>;
  using Entry = typename Lane::Entry;
  enum class Push { ok, closed, full, no_memory };

  static constexpr std::size_t lane_count = 64;

  /// `depth`: how many may wait, from the push until they are taken.
  explicit Ingress(std::uint32_t depth) : depth_(depth) {}
  Ingress(const Ingress&) = delete;
  Ingress& operator=(const Ingress&) = delete;
  ~Ingress() {
    for (std::size_t i = 0; i < used_.load(); ++i) delete lanes_[i].load();
  }

  // ---- Producers ----

  /// The calling thread's lane; nullptr if it has none, and is to push T.
  Lane* lane() noexcept {
    ThreadRecord* const me = thread_record();
    if (me == nullptr) return nullptr;
    const ThreadRecord::LaneCache& cached = me->lane_caches[id_ % ThreadRecord::lane_caches_kept];
    return cached.ingress == id_ ? static_cast<Lane*>(cached.lane) : find_lane(*me);
  }

  /// Has `fill` write an inline call in place, and sends it. `fill` must not fail, and must not call anything of this.
  template <class Fill>
  Push send(Lane& lane, Fill fill) noexcept {
    return in_lane(lane, [&](Entry& entry) {
      entry.is_inline = true;
      fill(entry.inline_call);
    });
  }

  /// `urgent`: the consumer is to see it before its turn comes; see look_for_urgent().
  Push push(T* item, bool urgent) noexcept {
    if (Lane* const own = lane()) {
      const Push pushed = in_lane(*own, [item](Entry& entry) {
        entry.is_inline = false;
        entry.made = item;
      });
      if (pushed == Push::ok && urgent) own->urgent();
      return pushed;
    }
    if (waiting() >= depth_) return Push::full;
    shared_sent_.fetch_add(1, std::memory_order_relaxed);
    if (shared_.push(item)) return Push::ok;
    shared_sent_.fetch_sub(1, std::memory_order_relaxed);
    return Push::closed;
  }

  // ---- The consumer ----

  /// All that came without a lane, oldest first, linked by `next`. It counts as waiting until taken_shared().
  T* take_shared() noexcept { return shared_.take_all(); }
  void taken_shared() noexcept { add_single_writer(shared_taken_); }

  /// The entry whose turn it is, nullptr if there is none: of each lane some, then the next one's.
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
  /// What front() gave has been read.
  void pop() noexcept {
    --turns_left_;
    lanes_[at_].load(std::memory_order_relaxed)->pop();
  }

  /// Shows `see` what was pushed as urgent and waits in a lane, sooner or later also other T; each once.
  template <class See>
  void look_for_urgent(See see) {
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) lanes_[i].load(std::memory_order_relaxed)->look_for_urgent(see);
  }

  bool empty() noexcept {
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
      if (lanes_[i].load(std::memory_order_relaxed)->front() != nullptr) return false;
    }
    return shared_.empty();
  }

  // ---- Anybody ----

  /// From now on every push is refused. What has been pushed can still be taken.
  void close() noexcept {
    closed_.store(true, std::memory_order_relaxed);
    if (has_lanes()) heavy_fence();
    // Who has not seen it has said that it sends, and is about to be done: it waits for nothing in between.
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
      while (lanes_[i].load(std::memory_order_acquire)->sending.load(std::memory_order_acquire)) {
        std::this_thread::yield();
      }
    }
    shared_.close();
  }

  /// Takes requests again. Nobody may be pushing.
  void open() noexcept {
    closed_.store(false, std::memory_order_relaxed);
    shared_.open();
  }

  /// How many wait, give or take those being pushed this moment.
  std::uint64_t waiting() const noexcept {
    const std::uint64_t taken = shared_taken_.load(std::memory_order_relaxed);
    const std::uint64_t sent = shared_sent_.load(std::memory_order_relaxed);
    std::uint64_t sum = sent > taken ? sent - taken : 0;
    const std::size_t used = used_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) sum += lanes_[i].load(std::memory_order_relaxed)->waiting();
    return sum;
  }

 private:
  // Of one lane in a row, before the next: enough to make the change cheap.
  static constexpr std::uint32_t turns = 16;
  // Up to such a depth it is kept exactly, but for pushes at the same moment.
  static constexpr std::uint32_t exact_up_to = 16'384;

  // Who gets the first one after this has said that there is none, sees what was written before.
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

  // To sum up takes a look at all lanes' cache lines. A deep queue spares it to a producer whose own lane holds less
  // than a share, and may so hold more than the depth, by as much again at most.
  bool full(Lane& mine) const noexcept {
    if (depth_ > exact_up_to && mine.waiting_below(depth_ / lane_count) < depth_ / lane_count) return false;
    return waiting() >= depth_;
  }

  void next_lane(std::size_t used) noexcept {
    at_ = at_ + 1 < used ? at_ + 1 : 0;
    turns_left_ = turns;
  }

  // The lane that the thread has here, or one of a thread that is no more, or a new one.
  [[gnu::noinline]] Lane* find_lane(ThreadRecord& me) noexcept {
    Lane* const lane = claim_lane(me);
    if (lane == nullptr) me.without_lanes = true;
    me.lane_caches[id_ % ThreadRecord::lane_caches_kept] = {id_, lane};
    return lane;
  }

  // Who went without a lane once does so for good, but for lanes that it has already: its requests to one context
  // keep their order in one place only.
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
  const std::uint64_t id_ = next_id();  // never another's, so a cached lane is always this ingress's
  std::atomic<bool> closed_{false};
  Mutex mutex_;                                         // of the lanes' owners
  std::array<std::atomic<Lane*>, lane_count> lanes_{};  // filled from the front, never taken away
  std::atomic<std::size_t> used_{0};

  // Of threads without a lane.
  alignas(64) MpscQueue<T> shared_;
  std::atomic<std::uint64_t> shared_sent_{0};

  // The consumer's.
  alignas(64) std::atomic<std::uint64_t> shared_taken_{0};
  std::size_t at_ = 0;
  std::uint32_t turns_left_ = turns;
};

}  // namespace backplane::host
