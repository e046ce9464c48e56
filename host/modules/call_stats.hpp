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

/// What one thread has seen of one wire name. Its holder alone writes, without a lock; anybody reads. It
/// outlives its holder, and the next takes it over as it is, so that the sum over all stats_list of a name is
/// the name's whole history.
struct CallStats {
  using Count = std::atomic<std::uint64_t>;

  Count calls{0};   ///< handed to a handler
  Count ended{0};   ///< of these, those that are over and done with
  Count errors{0};  ///< of these, those whose terminal reply was not BP_OK
  Count bytes_in{0};
  Count bytes_out{0};
  Histogram wait;  ///< ticks from the submit to the handler's begin; of one request in `sample`
  Histogram run;   ///< ticks that a handler held its thread

  /// Two readings of the clock cost more than all the counting, so of handlers that are short one run in so
  /// many is timed, and stands for that many. While there are long ones, and of the first, all are.
  static constexpr std::uint64_t sample = 32;

  /// Whether to time the run that is about to begin: for how many it stands, 0 for not at all.
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
  }
  /// A new holder begins.
  void time_the_first() noexcept { time_all_ = time_all_for; }

  static void add(Count& count, std::uint64_t n = 1) noexcept { add_single_writer(count, n); }

 private:
  static constexpr Ticks long_run = 3'000;  // about a microsecond: a hundredth of it is what timing costs
  static constexpr std::uint32_t time_all_for = 64;

  friend class CallStatsList;
  std::uint32_t time_all_ = time_all_for;  // the holder's
  std::atomic<bool> held_{true};
  CallStats* next_ = nullptr;
};

/// The stats_list of one wire name; there until the process ends.
class CallStatsList {
 public:
  CallStatsList() = default;
  CallStatsList(const CallStatsList&) = delete;
  CallStatsList& operator=(const CallStatsList&) = delete;
  ~CallStatsList() {
    CallStats* stats = first_.load(std::memory_order_relaxed);
    while (stats != nullptr) delete std::exchange(stats, stats->next_);
  }

  /// One for the caller alone, until release(); null if memory cannot be had. Any thread.
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
  std::atomic<CallStats*> first_{nullptr};  // entries are added in front, and never taken out
};

}  // namespace backplane::host
