// SPDX-License-Identifier: Apache-2.0
//
// A queue with many producers and one consumer. Producers push onto an intrusive stack. The consumer takes all items at
// once and reverses them, so each producer's items stay in order.
#pragma once

#include <atomic>

namespace backplane::host {

/// T has a member `T* next`.
template <class T>
class MpscQueue {
 public:
  void push(T* item) noexcept {
    T* head = head_.load(std::memory_order_relaxed);
    do {
      item->next = head;
    } while (!head_.compare_exchange_weak(head, item, std::memory_order_release, std::memory_order_relaxed));
  }

  /// Takes all queued items, oldest first, linked by `next`; nullptr if the queue is empty.
  T* take_all() noexcept {
    if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    T* newest = head_.exchange(nullptr, std::memory_order_acquire);
    T* oldest = nullptr;
    while (newest != nullptr) {
      T* const next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

  bool empty() const noexcept { return head_.load(std::memory_order_seq_cst) == nullptr; }

 private:
  std::atomic<T*> head_{nullptr};
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
