// SPDX-License-Identifier: Apache-2.0
//
// A queue that serves several lines in turns, whoever has how much in its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sync/mpsc.hpp"

namespace backplane::host {

/// Start-time fair queueing (Goyal, Vin and Cheng, 1996): each item has a cost. The item that comes next is that of the
/// line whose items have cost least so far. A line that was empty begins where the others are, so it saves up nothing.
/// So an item at the head of a line waits for at most one item of each other line, and one with a cost of n turns makes
/// its own line wait for n. For one thread. Nothing allocates. T has a member `T* next`.
template <class T>
class FairQueue {
 public:
  /// The items of one party. It must be empty when it is destroyed or moved.
  class Line {
    friend class FairQueue;
    Fifo<T> items_;
    Fifo<T> first_;          // these come before items_
    Line* child_ = nullptr;  // in the heap
    Line* sibling_ = nullptr;
    std::uint64_t start_ = 0;   // of the item that is next
    std::uint64_t finish_ = 0;  // of the last item that was taken
    std::uint64_t order_ = 0;   // among lines with the same start
    bool queued_ = false;
  };

  /// The cost of one turn.
  static constexpr std::uint64_t turn = std::uint64_t{16} << 10;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  bool empty() const noexcept { return next_ == nullptr; }
  std::uint64_t size() const noexcept { return size_; }

  /// `first`: before the items of the line that were not pushed so.
  void push(Line& line, T& item, bool first = false) noexcept {
    (first ? line.first_ : line.items_).push(&item);
    ++size_;
    if (std::exchange(line.queued_, true)) return;
    line.start_ = std::max(now_, line.finish_);
    add(line);
  }

  /// `cost_of(item)` is at least `turn`. Null if there is no item.
  template <class Cost>
  T* pop(Cost cost_of) noexcept {
    if (next_ == nullptr) return nullptr;
    Line& line = *next_;
    next_ = join_all(std::exchange(line.child_, nullptr));
    T* item = line.first_.pop();
    if (item == nullptr) item = line.items_.pop();
    --size_;
    now_ = line.start_;
    line.finish_ = line.start_ + cost_of(*item);
    line.queued_ = !line.first_.empty() || !line.items_.empty();
    if (line.queued_) {
      line.start_ = line.finish_;
      add(line);
    }
    return item;
  }

 private:
  void add(Line& line) noexcept {
    line.order_ = ++orders_;
    next_ = join(next_, &line);
  }

  // The lines form a pairing heap, because that needs no memory of its own.
  static Line* join(Line* a, Line* b) noexcept {
    if (a == nullptr) return b;
    if (b == nullptr) return a;
    if (b->start_ < a->start_ || (b->start_ == a->start_ && b->order_ < a->order_)) std::swap(a, b);
    b->sibling_ = std::exchange(a->child_, b);
    return a;
  }
  static Line* join_all(Line* list) noexcept {
    Line* pairs = nullptr;
    while (list != nullptr) {
      Line* const a = list;
      Line* const b = std::exchange(a->sibling_, nullptr);
      list = b == nullptr ? nullptr : std::exchange(b->sibling_, nullptr);
      Line* const pair = join(a, b);
      pair->sibling_ = std::exchange(pairs, pair);
    }
    Line* all = nullptr;
    while (pairs != nullptr) {
      Line* const rest = std::exchange(pairs->sibling_, nullptr);
      all = join(all, pairs);
      pairs = rest;
    }
    return all;
  }

  Line* next_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t now_ = 0;  // the start of the item that was taken last
  std::uint64_t orders_ = 0;
};

}  // namespace backplane::host
