// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "support/clock.hpp"

namespace backplane {

/// Wakes one sleeping consumer, and costs a producer one load while it is awake. The consumer sleeps on a
/// futex, or, while it waits for descriptors too, in a poll that an eventfd ends; so one that never waits
/// for descriptors has none of its own.
///
/// The race, line by line. Producer: (1) publish an item, seq_cst; (2) load `state_`. Consumer:
/// (3) store `state_` = asleep or polling, seq_cst; (4) look at the queues once more; sleep only if
/// empty. In the one order of seq_cst operations either (1) precedes (4), and the consumer sees the item
/// and does not sleep, or (4) precedes (1), hence (3) precedes (2), and the producer sees the state and
/// wakes. Of several producers that see it, one wins the exchange and wakes. The futex sleeps only while
/// `state_` is still asleep, so an exchange before it is not lost either.
class Waker {
 public:
  Waker() = default;
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();

  /// Producer, after publishing with seq_cst.
  void wake() noexcept {
    if (state_.load(std::memory_order_seq_cst) != awake_state) ring(state_.exchange(awake_state));
  }

  // ---- The consumer ----

  /// Announces sleep; look at the queues once more before really sleeping.
  void about_to_sleep() noexcept { state_.store(asleep); }
  /// Sleeps until woken, or `until` (0: no bound), or for no reason.
  void sleep(Nanos until) noexcept;
  /// Announces a poll that includes fd(), which has been called before.
  void about_to_poll() noexcept { state_.store(polling); }
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

  void ring(std::uint32_t state) noexcept;

  std::atomic<std::uint32_t> state_{awake_state};
  int fd_ = -1;  // written by the consumer before it first polls, so that who sees `polling` sees it
};

}  // namespace backplane
