// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

#include "support/histogram.hpp"
#include "support/ticks.hpp"
#include "sync/single_writer_count.hpp"

namespace backplane::host {

/// One thread's call statistics of one wire name. Only the holder writes, without a lock; any thread may read. The
/// object outlives its holder, and the next holder continues the counts. So the sum over a name's CallStatsList is its
/// whole history.
struct CallStats {
  using Count = std::atomic<std::uint64_t>;

  Count calls{0};   ///< calls that a handler was given
  Count ended{0};   ///< calls that have ended
  Count errors{0};  ///< calls whose terminal reply was not BP_OK
  Count bytes_in{0};
  Count bytes_out{0};
  Count held{0};        ///< bytes of payloads of calls in flight, rounded up: see RunLimits
  Count long_waits{0};  ///< calls that have waited for longer than SubmitStamps::long_wait
  // Only the holder uses these two.
  std::uint32_t suspended = 0;  ///< handlers that await now
  std::uint32_t in_flight = 0;  ///< calls whose turn has come, and that a turn of the loop has left open
  Histogram wait;               ///< ticks from submit to the begin of the handler; see SubmitStamps
  Histogram run;                ///< ticks for which a handler held its thread

  /// Two clock reads cost more than all the counting. So only one in this many runs of a short handler is timed, and
  /// counts this many times. The first runs, and the runs after a long one, are all timed.
  static constexpr std::uint64_t sample = 32;

  /// The weight of the next run: how many runs its time counts for. 0: do not time it.
  std::uint32_t weight_of_next() noexcept {
    if (time_all_ != 0) {
      --time_all_;
      return 1;
    }
    return calls.load(std::memory_order_relaxed) % sample == 0 ? sample : 0;
  }
  void ran(Ticks time, std::uint32_t weight) noexcept {
    run.record(time, weight);
    if (time >= long_run) time_all_ = time_all_for;
    slow_ = time >= slow_run ? time_all_for : slow_ - (slow_ != 0 ? 1 : 0);
  }
  /// Whether the next run may be a slow one, if its weight is 1: the name is new here, or was slow lately.
  bool may_be_slow() const noexcept { return slow_ != 0; }
  /// Times the first runs of a new holder.
  void time_the_first() noexcept { time_all_ = slow_ = time_all_for; }

  static void add(Count& count, std::uint64_t n = 1) noexcept { add_single_writer(count, n); }

 private:
  static constexpr Ticks long_run = 3'000;    // about 1 us; timing such a run costs about 1 %
  static constexpr Ticks slow_run = 300'000;  // about 100 us
  static constexpr std::uint32_t time_all_for = 64;

  friend class CallStatsList;
  std::uint32_t time_all_ = time_all_for;  // only the holder uses these two
  std::uint32_t slow_ = time_all_for;
  std::atomic<bool> held_{true};
  CallStats* next_ = nullptr;
};

/// All CallStats of one wire name. They exist until the process ends.
class CallStatsList {
 public:
  CallStatsList() = default;
  CallStatsList(const CallStatsList&) = delete;
  CallStatsList& operator=(const CallStatsList&) = delete;
  ~CallStatsList() {
    CallStats* stats = first_.load(std::memory_order_relaxed);
    while (stats != nullptr) delete std::exchange(stats, stats->next_);
  }

  /// A CallStats for the caller's exclusive use until release(). Null if out of memory. Any thread.
  CallStats* take() noexcept {
    for (CallStats* stats = first_.load(std::memory_order_acquire); stats != nullptr; stats = stats->next_) {
      if (!stats->held_.load(std::memory_order_relaxed) && !stats->held_.exchange(true, std::memory_order_acquire)) {
        return stats;
      }
    }
    auto* const fresh = new (std::nothrow) CallStats;
    if (fresh == nullptr) return nullptr;
    fresh->next_ = first_.load(std::memory_order_relaxed);
    while (!first_.compare_exchange_weak(fresh->next_, fresh, std::memory_order_release, std::memory_order_relaxed)) {
    }
    return fresh;
  }
  static void release(CallStats& stats) noexcept { stats.held_.store(false, std::memory_order_release); }

  template <class F>
  void each(F see) const {
    for (const CallStats* stats = first_.load(std::memory_order_acquire); stats != nullptr; stats = stats->next_) {
      see(*stats);
    }
  }

 private:
  std::atomic<CallStats*> first_{nullptr};  // entries are added at the front and never removed
};

}  // namespace backplane::host
