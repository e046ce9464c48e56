// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "modules/call_stats.hpp"
#include "support/ticks.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Decides which calls of a context note the time of their submit, so that their wait can be measured.
///
/// Reading the clock for each call costs too much. So usually one call in CallStats::sample notes it, and stands for so
/// many. While calls may wait for longer than `long_wait`, each call does, and stands for itself. Submitters see which
/// it is by one load of a word that is seldom written. Each of these sets it to "each call":
///
///   - the request thread, before a run of a handler that may be slow: its name is new here, or was slow lately;
///   - the request thread, when a measured call has waited for so long: then the calls behind it wait as well;
///   - the request thread, before it sleeps: on a busy machine, waking may take long;
///   - a submitter that samples, when a call that it has noted before still waits after `long_wait`. So a request
///   thread
///     that is stuck in any code is found within two milliseconds, by the first sample after that.
///
/// The request thread sets it back when it wakes, and when a call has not waited for half as long, nor had a handler
/// that may be slow.
///
/// The sums stay right: a call notes its time with a chance p of 1 or 1/32, whichever holds at its submit, and counts
/// 1/p times. A later change cannot make it count otherwise, because the stamp carries its own weight. Samples are
/// spread by the golden ratio, so that calls that come in a rhythm do not meet or miss all of them.
///
/// It cannot see each wait of calls that were submitted before such a change: within the first two milliseconds of a
/// stall in code that has been quick so far. Of those, one in 32 is measured as ever. Nor does it see the time that a
/// call spends in the buffer of a socket before the host reads it.
class SubmitStamps {
 public:
  static constexpr Nanos long_wait = nanos_per_ms;
  static Ticks long_wait_ticks() noexcept {
    static const Ticks length = ticks_in(long_wait);
    return length;
  }

  // ---- Any thread ----
  /// Whether a call is to note the time, and for how many it then stands.
  enum class Wish { no, sample, each };
  /// `number` counts the calls of the caller's thread, or is a new one each time.
  Wish wish(std::uint64_t number) const noexcept {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);  // once: it may change at any time
    if (number * golden_ratio > limit) [[likely]]
      return Wish::no;
    return limit == each ? Wish::each : Wish::sample;
  }
  /// What a call with this wish notes; never 0. Not for Wish::no.
  static constexpr Ticks stamp(Wish wish, Ticks time) noexcept {
    return without_weight(time) | (wish == Wish::sample ? is_sample : 0);
  }
  /// What a call notes that stands for itself in any case.
  static constexpr Ticks exact(Ticks time) noexcept { return without_weight(time); }
  /// From now on, each call.
  void want_each() noexcept {
    if (limit_.load(std::memory_order_relaxed) != each) limit_.store(each, std::memory_order_relaxed);
  }

  // ---- Request thread ----
  /// From now on, one call in CallStats::sample.
  void want_samples() noexcept {
    if (limit_.load(std::memory_order_relaxed) != one_in_many) limit_.store(one_in_many, std::memory_order_relaxed);
  }
  /// A handler has ended. `waited`: see Request. `run_weight`: of its run. `for_worker`: it may have waited for a
  /// worker thread, which says nothing of the others.
  void record(CallStats& stats, Ticks waited, std::uint32_t run_weight, bool for_worker) noexcept {
    const Ticks time = without_weight(waited);
    const Ticks length = long_wait_ticks();
    const std::uint64_t weight = (waited & is_sample) != 0 ? CallStats::sample : 1;
    stats.wait.record(time, weight);
    if (time > length) CallStats::add(stats.long_waits, weight);
    if (for_worker) return;
    // Runs that are not timed are not looked at, so that this word seldom changes while quick and slow handlers take
    // turns.
    const bool was_slow = run_weight == 0 || (run_weight == 1 && stats.may_be_slow());
    if (time > length) {
      want_each();
    } else if (time < length / 2 && !was_slow) {
      want_samples();
    }
  }

  /// How long a call has waited, with the weight of its stamp. Never 0.
  static constexpr Ticks waited(Ticks stamp, Ticks time) noexcept {
    const Ticks length = without_weight(span(without_weight(stamp), time));
    return (length == 0 ? 2 : length) | (stamp & is_sample);
  }

 private:
  // A tick more or less does not matter, so its last bit tells the weight.
  static constexpr Ticks is_sample = 1;
  static constexpr Ticks without_weight(Ticks time) noexcept { return time & ~is_sample; }

  static constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15;  // of 2^64
  static constexpr std::uint64_t each = UINT64_MAX;
  static constexpr std::uint64_t one_in_many = UINT64_MAX / CallStats::sample;

  std::atomic<std::uint64_t> limit_{one_in_many};
};

}  // namespace backplane::host
