// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "support/unique_fd.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Wakes one sleeping consumer. While the consumer is awake, this costs a producer one load. The consumer sleeps on a
/// futex. If it also waits for descriptors, it sleeps in a poll that an eventfd ends. A consumer that never waits for
/// descriptors has no eventfd.
///
/// The race, step by step. Producer: (1) publish an item; light_fence(); (2) load `state_`. Consumer: (3) store
/// `state_` = asleep or polling; heavy_fence(); (4) look at the queues once more; sleep only if they are empty.
///   - If (1) precedes the consumer's fence, (4) sees the item, and the consumer does not sleep.
///   - Otherwise (2) follows the fence, so the producer sees the state stored by (3), and wakes the consumer.
/// If several producers see it, the one that wins the exchange wakes the consumer. The futex sleeps only while `state_`
/// is still asleep, so an earlier exchange is not lost.
class Waker {
 public:
  Waker() = default;
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  /// For producers, after publishing an item.
  void wake() noexcept {
    light_fence();
    if (state_.load(std::memory_order_relaxed) != awake_state) ring(state_.exchange(awake_state));
  }

  // ---- The consumer ----

  /// Announces a sleep. Look at the queues once more before sleep().
  void about_to_sleep() noexcept { announce(asleep); }
  /// Sleeps until woken, or until `until` (0: no limit). May also return without a reason.
  void sleep(Nanos until) noexcept;
  /// Announces a poll that includes fd(). Call fd() before.
  void about_to_poll() noexcept { announce(polling); }
  /// Ends an announced sleep or poll.
  void awake() noexcept { state_.store(awake_state, std::memory_order_relaxed); }

  /// The descriptor that becomes readable when a polling consumer must wake. The first call creates it; -1 on an error.
  int fd() noexcept;
  /// Clears the descriptor.
  void drain() noexcept;

 private:
  static constexpr std::uint32_t awake_state = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t polling = 2;

  void announce(std::uint32_t state) noexcept {
    state_.store(state, std::memory_order_release);
    heavy_fence();
  }
  void ring(std::uint32_t state) noexcept;

  // On a cache line that no thread writes while the consumer is awake.
  alignas(64) std::atomic<std::uint32_t> state_{awake_state};
  UniqueFd fd_;  // written by the consumer before it first polls, so that who sees `polling` sees it
};

}  // namespace backplane::host
