// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace backplane {

/// From ids that count up, and are never 0, to what they stand for: an open-addressed table whose hash is the
/// id itself, so that a table of what was made one after another has no collisions.
template <class T>
class IdTable {
 public:
  T* find(std::uint64_t id) const noexcept {
    for (std::size_t at = id & mask_;; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (entry.id == id) return entry.value;
      if (entry.id == 0) return nullptr;
    }
  }

  /// Makes room for one more; false if memory is used up. Otherwise the next put() finds it.
  bool reserve() noexcept { return 2 * (size_ + 1) <= mask_ + 1 || grow(); }

  void put(std::uint64_t id, T& value) noexcept {
    place(entries_, mask_, {id, &value});
    ++size_;
  }

  /// `id` is in it.
  void erase(std::uint64_t id) noexcept {
    std::size_t hole = id & mask_;
    while (entries_[hole].id != id) hole = (hole + 1) & mask_;
    // Whoever stands behind the hole because its own place was taken moves up.
    for (std::size_t at = (hole + 1) & mask_; entries_[at].id != 0; at = (at + 1) & mask_) {
      const std::size_t home = entries_[at].id & mask_;
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole] = {};
    --size_;
  }

  std::size_t size() const noexcept { return size_; }

 private:
  struct Entry {
    std::uint64_t id = 0;
    T* value = nullptr;
  };
  static constexpr std::size_t first_size = 16;

  static void place(Entry* entries, std::size_t mask, Entry entry) noexcept {
    std::size_t at = entry.id & mask;
    while (entries[at].id != 0) at = (at + 1) & mask;
    entries[at] = entry;
  }

  bool grow() noexcept {
    const std::size_t size = own_ == nullptr ? first_size : 2 * (mask_ + 1);
    std::unique_ptr<Entry[]> larger(new (std::nothrow) Entry[size]);
    if (larger == nullptr) return false;
    for (std::size_t i = 0; i <= mask_; ++i) {
      if (entries_[i].id != 0) place(larger.get(), size - 1, entries_[i]);
    }
    own_ = std::move(larger);
    entries_ = own_.get();
    mask_ = size - 1;
    return true;
  }

  Entry none_;  // so that an empty table needs no memory, and find() no question
  Entry* entries_ = &none_;
  std::size_t mask_ = 0;
  std::size_t size_ = 0;
  std::unique_ptr<Entry[]> own_;
};

}  // namespace backplane
