// SPDX-License-Identifier: Apache-2.0
//
// A queue with many producers and one consumer. Producers push onto an intrusive stack. The consumer takes all items at
// once and reverses them, so each producer's items stay in order.
#pragma once

#include <atomic>
#include <cstdint>

namespace backplane::host {

/// T has a member `T* next`. A closed queue refuses new items; queued items can still be taken.
template <class T>
class MpscQueue {
 public:
  /// Returns false if the queue is closed; the caller then still owns `item`.
  bool push(T* item) noexcept {
    std::uintptr_t head = head_.load(std::memory_order_relaxed);
    do {
      if ((head & closed_bit) != 0) return false;
      item->next = reinterpret_cast<T*>(head);
    } while (!head_.compare_exchange_weak(head, reinterpret_cast<std::uintptr_t>(item), std::memory_order_release,
                                          std::memory_order_relaxed));
    return true;
  }

  /// Takes all queued items, oldest first, linked by `next`; nullptr if the queue is empty.
  T* take_all() noexcept {
    std::uintptr_t head = head_.load(std::memory_order_relaxed);
    if ((head & ~closed_bit) == 0) return nullptr;
    while (
        !head_.compare_exchange_weak(head, head & closed_bit, std::memory_order_acquire, std::memory_order_relaxed)) {
    }
    T* newest = reinterpret_cast<T*>(head & ~closed_bit);
    T* oldest = nullptr;
    while (newest != nullptr) {
      T* const next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

  bool empty() const noexcept { return (head_.load(std::memory_order_seq_cst) & ~closed_bit) == 0; }

  void close() noexcept { head_.fetch_or(closed_bit, std::memory_order_seq_cst); }
  void open() noexcept { head_.fetch_and(~closed_bit, std::memory_order_seq_cst); }

 private:
  static constexpr std::uintptr_t closed_bit = 1;
  std::atomic<std::uintptr_t> head_{0};
};

/// A first-in first-out list for one thread, linked by the same member.
template <class T>
class Fifo {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  T* front() const noexcept { return head_; }
  void push(T* item) noexcept {
    item->next = nullptr;
    *tail_ = item;
    tail_ = &item->next;
  }
  T* pop() noexcept {
    T* const item = head_;
    if (item == nullptr) return nullptr;
    head_ = item->next;
    if (head_ == nullptr) tail_ = &head_;
    return item;
  }

  Fifo() = default;
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;

 private:
  T* head_ = nullptr;
  T** tail_ = &head_;
};

}  // namespace backplane::host
