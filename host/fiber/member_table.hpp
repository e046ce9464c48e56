// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace backplane::host {

/// From ids that count up to the things that have them: a hash table whose hash is the id itself, so that
/// things made one after another do not meet in it. T has `std::uint64_t id` and `T* same_hash`, the
/// table's as long as the thing is in it.
///
/// Not an IdTable (wire/id_table.hpp), which owns its entries and mixes its ids, since peers choose them: each
/// switch looks an id up, and these need no mixing.
template <class T>
class MemberTable {
 public:
  MemberTable() = default;
  MemberTable(const MemberTable&) = delete;
  MemberTable& operator=(const MemberTable&) = delete;

  T* find(std::uint64_t id) const noexcept {
    T* thing = heads_[id & mask_];
    while (thing != nullptr && thing->id != id) thing = thing->same_hash;
    return thing;
  }

  /// Makes room for one more; false if memory is used up.
  bool reserve() noexcept { return size_ <= mask_ || grow(); }

  /// After reserve().
  void put(T& thing) noexcept {
    T*& head = heads_[thing.id & mask_];
    thing.same_hash = std::exchange(head, &thing);
    ++size_;
  }

  /// It is in the table.
  void erase(T& thing) noexcept {
    T** link = &heads_[thing.id & mask_];
    while (*link != &thing) link = &(*link)->same_hash;
    *link = thing.same_hash;
    --size_;
  }

  std::size_t size() const noexcept { return size_; }

 private:
  bool grow() noexcept {
    const std::size_t size = 2 * (mask_ + 1);
    std::unique_ptr<T*[]> larger(new (std::nothrow) T* [size] {});
    if (larger == nullptr) return false;
    for (std::size_t i = 0; i <= mask_; ++i) {
      while (T* const thing = heads_[i]) {
        heads_[i] = thing->same_hash;
        thing->same_hash = std::exchange(larger[thing->id & (size - 1)], thing);
      }
    }
    own_ = std::move(larger);
    heads_ = own_.get();
    mask_ = size - 1;
    return true;
  }

  T* first_ = nullptr;  // a table of one place, so that an empty one needs no memory, and find() no question
  T** heads_ = &first_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
  std::unique_ptr<T*[]> own_;
};

}  // namespace backplane::host
