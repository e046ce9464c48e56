// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

#include "support/histogram.hpp"
#include "support/own_count.hpp"
#include "support/ticks.hpp"

namespace backplane {

/// What one thread has seen of one wire name. Its holder alone writes, without a lock; anybody reads. It
/// outlives its holder, and the next takes it over as it is, so that the sum over all tallies of a name is
/// the name's whole history.
struct Tally {
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

  static void add(Count& count, std::uint64_t n = 1) noexcept { add_own(count, n); }

 private:
  static constexpr Ticks long_run = 3'000;  // about a microsecond: a hundredth of it is what timing costs
  static constexpr std::uint32_t time_all_for = 64;

  friend class Tallies;
  std::uint32_t time_all_ = time_all_for;  // the holder's
  std::atomic<bool> held_{true};
  Tally* next_ = nullptr;
};

/// The tallies of one wire name; there until the process ends.
class Tallies {
 public:
  Tallies() = default;
  Tallies(const Tallies&) = delete;
  Tallies& operator=(const Tallies&) = delete;
  ~Tallies() {
    Tally* tally = first_.load(std::memory_order_relaxed);
    while (tally != nullptr) delete std::exchange(tally, tally->next_);
  }

  /// One for the caller alone, until release(); null if memory cannot be had. Any thread.
  Tally* take() noexcept {
    for (Tally* tally = first_.load(std::memory_order_acquire); tally != nullptr; tally = tally->next_) {
      if (!tally->held_.load(std::memory_order_relaxed) && !tally->held_.exchange(true, std::memory_order_acquire)) {
        return tally;
      }
    }
    auto* const fresh = new (std::nothrow) Tally;
    if (fresh == nullptr) return nullptr;
    fresh->next_ = first_.load(std::memory_order_relaxed);
    while (!first_.compare_exchange_weak(fresh->next_, fresh, std::memory_order_release, std::memory_order_relaxed)) {
    }
    return fresh;
  }
  static void release(Tally& tally) noexcept { tally.held_.store(false, std::memory_order_release); }

  template <class F>
  void each(F see) const {
    for (const Tally* tally = first_.load(std::memory_order_acquire); tally != nullptr; tally = tally->next_) {
      see(*tally);
    }
  }

 private:
  std::atomic<Tally*> first_{nullptr};  // entries are added in front, and never taken out
};

}  // namespace backplane
