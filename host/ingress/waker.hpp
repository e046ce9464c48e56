// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace backplane {

/// Wakes one sleeping consumer, and costs a producer one load while it is awake.
///
/// The race, line by line. Producer: (1) publish an item, seq_cst; (2) load `sleeping_`. Consumer:
/// (3) store `sleeping_` = true, seq_cst; (4) look at the queues once more; sleep only if empty. In
/// the one order of seq_cst operations either (1) precedes (4), and the consumer sees the item and
/// does not sleep, or (4) precedes (1), hence (3) precedes (2), and the producer sees `sleeping_` and
/// writes the descriptor. Of several producers that see it, one wins the exchange and writes.
class Waker {
 public:
  /// Throws std::system_error if no descriptor can be had.
  Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();

  /// Readable when the consumer is to wake.
  int fd() const noexcept { return fd_; }

  /// Producer, after publishing with seq_cst.
  void wake() noexcept {
    if (sleeping_.load(std::memory_order_seq_cst) && sleeping_.exchange(false, std::memory_order_seq_cst)) ring();
  }

  /// Consumer: announces sleep; look at the queues once more before really sleeping.
  void about_to_sleep() noexcept { sleeping_.store(true, std::memory_order_seq_cst); }
  /// Consumer: is awake, for whatever reason.
  void awake() noexcept { sleeping_.store(false, std::memory_order_relaxed); }
  /// Consumer: forgets rings that have come.
  void drain() noexcept;

 private:
  void ring() noexcept;

  int fd_ = -1;
  std::atomic<bool> sleeping_{false};
};

}  // namespace backplane
