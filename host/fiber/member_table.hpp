// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace backplane::host {

/// A hash table from growing ids to objects. The hash is the id itself, so consecutive objects do not collide. T has
/// `std::uint64_t id` and `T* same_hash`; the table uses `same_hash` while it contains the object.
///
/// It is not an IdTable (wire/id_table.hpp), which owns its entries and mixes ids, because peers choose them. Each
/// switch looks up an id, and these ids need no mixing.
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

  /// Makes room for one more. Returns false if out of memory.
  bool reserve() noexcept { return size_ <= mask_ || grow(); }

  /// Adds an object. Call reserve() first.
  void put(T& thing) noexcept {
    T*& head = heads_[thing.id & mask_];
    thing.same_hash = std::exchange(head, &thing);
    ++size_;
  }

  /// Removes an object, which must be in the table.
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

  T* first_ = nullptr;  // a table of one place, so that an empty table needs no memory, and find() no extra check
  T** heads_ = &first_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
  std::unique_ptr<T*[]> own_;
};

}  // namespace backplane::host
