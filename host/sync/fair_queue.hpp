// SPDX-License-Identifier: Apache-2.0
//
// A queue that serves several lines in turns, whoever has how much in its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sync/mpsc.hpp"
#include "sync/prefetch.hpp"

namespace backplane::host {

/// Start-time fair queueing (Goyal, Vin and Cheng, 1996): each item has a cost. The item that comes next is that of the
/// line whose items have cost least so far. A line that was empty begins where the others are, so it saves up nothing.
/// So an item at the head of a line waits for at most one item of each other line, and one with a cost of n turns makes
/// its own line wait for n. The consumer may take several items of a line in one go; then the others' next items wait
/// for all of these. For one thread. Nothing allocates. T has a member `T* next`.
template <class T>
class FairQueue {
 public:
  /// The items of one party. Before it is destroyed it must be empty, and forgotten.
  class Line {
   public:
    /// As new. It must be empty and forgotten.
    void reset() noexcept { start_ = finish_ = order_ = 0; }

   private:
    friend class FairQueue;
    Fifo<T> items_;
    Fifo<T> first_;          // these come before items_
    Line* child_ = nullptr;  // in the heap
    Line* sibling_ = nullptr;
    std::uint64_t start_ = 0;   // of the item that is next
    std::uint64_t finish_ = 0;  // of the last item that was taken
    std::uint64_t order_ = 0;   // among lines with the same start
    bool queued_ = false;       // in the heap, or current_
    bool empty() const noexcept { return first_.empty() && items_.empty(); }
  };

  /// The cost of one turn.
  static constexpr std::uint64_t turn = std::uint64_t{16} << 10;

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  bool empty() const noexcept { return size_ == 0; }
  std::uint64_t size() const noexcept { return size_; }

  /// `first`: before the items of the line that were not pushed so.
  void push(Line& line, T& item, bool first = false) noexcept {
    (first ? line.first_ : line.items_).push(&item);
    ++size_;
    if (std::exchange(line.queued_, true)) return;
    line.start_ = std::max(now_, line.finish_);
    add(line);
  }

  /// `cost_of(item)` is at least `turn`. `stay`: takes another item of the line of the last one, if it has one. Null if
  /// there is no item.
  template <class Cost>
  T* pop(Cost cost_of, bool stay = false) noexcept {
    if (size_ == 0) return nullptr;
    const bool others = next_ != nullptr;
    if (current_ == nullptr || current_->empty() || (others && !stay)) change_line();
    Line& line = *current_;
    T* item = line.first_.pop();
    if (item == nullptr) item = line.items_.pop();
    if (T* const after = line.items_.front()) prefetch_to_write(&after->next);  // a cache miss with many items
    --size_;
    now_ = line.start_;
    line.finish_ = line.start_ + cost_of(*item);
    line.start_ = line.finish_;
    return item;
  }
  /// No reference to an empty line is left: it may be destroyed.
  void forget_empty() noexcept {
    if (current_ == nullptr || !current_->empty()) return;
    current_->queued_ = false;
    current_ = nullptr;
  }
  /// Counts the changes from one line to another.
  std::uint64_t changes() const noexcept { return changes_; }

 private:
  // The current line is not in the heap.
  void change_line() noexcept {
    if (current_ != nullptr) {
      current_->queued_ = !current_->empty();
      if (current_->queued_) add(*current_);
    }
    current_ = next_;
    next_ = join_all(std::exchange(current_->child_, nullptr));
    ++changes_;
  }

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

  Line* next_ = nullptr;     // the root of the heap
  Line* current_ = nullptr;  // the line of the last item
  std::uint64_t changes_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t now_ = 0;  // the start of the item that was taken last
  std::uint64_t orders_ = 0;
};

}  // namespace backplane::host
