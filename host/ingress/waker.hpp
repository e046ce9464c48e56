// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "support/unique_fd.hpp"
#include "sync/asymmetric_fence.hpp"
#include "sync/clock.hpp"

namespace backplane::host {

/// Wakes one sleeping consumer, and costs a producer one load while it is awake. The consumer sleeps on a
/// futex, or, while it waits for descriptors too, in a poll that an eventfd ends; so one that never waits
/// for descriptors has none of its own.
///
/// The race, line by line. Producer: (1) publish an item; light_fence(); (2) load `state_`. Consumer:
/// (3) store `state_` = asleep or polling; heavy_fence(); (4) look at the queues once more; sleep only if
/// empty. Either (1) precedes the consumer's fence, and so (4) sees the item and the consumer does not sleep,
/// or (2) follows it, and so the producer sees the state that (3) has stored, and wakes. Of several producers that see
/// it, one wins the exchange and wakes. The futex sleeps only while `state_` is still asleep, so an exchange before it
/// is not lost either.
class Waker {
 public:
  Waker() = default;
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  /// Producer, after publishing.
  void wake() noexcept {
    light_fence();
    if (state_.load(std::memory_order_relaxed) != awake_state) ring(state_.exchange(awake_state));
  }

  // ---- The consumer ----

  /// Announces sleep; look at the queues once more before really sleeping.
  void about_to_sleep() noexcept { announce(asleep); }
  /// Sleeps until woken, or `until` (0: no bound), or for no reason.
  void sleep(Nanos until) noexcept;
  /// Announces a poll that includes fd(), which has been called before.
  void about_to_poll() noexcept { announce(polling); }
  /// Is awake, for whatever reason.
  void awake() noexcept { state_.store(awake_state, std::memory_order_relaxed); }

  /// Readable when a consumer that polls is to wake; made at the first call, -1 if it cannot be.
  int fd() noexcept;
  /// Forgets rings of the descriptor that have come.
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

  // On a cache line that nobody writes to while the consumer is awake.
  alignas(64) std::atomic<std::uint32_t> state_{awake_state};
  UniqueFd fd_;  // written by the consumer before it first polls, so that who sees `polling` sees it
};

}  // namespace backplane::host
