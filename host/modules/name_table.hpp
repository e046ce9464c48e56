// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

namespace backplane {

/// Names to objects, read by any thread without a lock, written by one. Entries are never taken out:
/// T has a `name` and outlives the table. Open addressing; a table that gets too full is replaced by
/// one twice its size, and kept, because a reader may still be in it.
///
/// What a lookup takes is the memory it touches, once there are more names than a cache holds. So each place has the
/// name itself, if it is not very long: one cache line tells whether it is the one.
template <class T>
class NameTable {
 public:
  NameTable() { grow(64); }
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// What was added, and the number with it.
  struct Found {
    T* entry = nullptr;
    std::uint32_t number = 0;
  };

  T* find(std::string_view name) const noexcept { return look_up(name).entry; }

  /// As find(), without touching the entry.
  Found look_up(std::string_view name) const noexcept {
    const Table* const table = current_.load(std::memory_order_acquire);
    const std::size_t hash = hash_of(name);
    for (std::size_t i = hash;; ++i) {
      const Place& place = table->places[i & table->mask];
      T* const entry = place.entry.load(std::memory_order_acquire);
      if (entry == nullptr) return {};
      if (place.is(name, hash)) return {entry, place.number};
    }
  }

  /// Writer. `entry->name` must not be in the table. Throws std::bad_alloc. A table is filled to four fifths: the
  /// places looked at in vain lie next to each other, and half of the memory is in a cache twice as often.
  void add(T* entry, std::uint32_t number = 0) {
    if ((count_ + 1) * 5 > (tables_.back()->mask + 1) * 4) grow((tables_.back()->mask + 1) * 2);
    put(*tables_.back(), entry, number);
    ++count_;
  }

 private:
  // All but `entry` is written before that is, and then constant.
  struct alignas(64) Place {
    std::atomic<T*> entry{nullptr};
    std::uint32_t hash;
    std::uint32_t size;
    std::uint32_t number;
    char text[44];  // of a name that is longer, its beginning

    bool is(std::string_view name, std::size_t its_hash) const noexcept {
      if (hash != static_cast<std::uint32_t>(its_hash) || size != name.size()) return false;
      if (size > sizeof text) return entry.load(std::memory_order_relaxed)->name == name;
      return std::memcmp(text, name.data(), name.size()) == 0;
    }
  };
  static_assert(sizeof(Place) == 64);

  struct Free {
    void operator()(Place* places) const noexcept { std::free(places); }
  };

  struct Table {
    explicit Table(std::size_t size) : mask(size - 1), places(places_for(size)) {
      for (std::size_t i = 0; i < size; ++i) new (&places[i]) Place;
    }
    const std::size_t mask;
    const std::unique_ptr<Place[], Free> places;
  };

  static Place* places_for(std::size_t size) {
    constexpr std::size_t huge_page = 2u << 20;
    const std::size_t bytes = size * sizeof(Place);
    const bool large = bytes >= huge_page;
    void* const memory = std::aligned_alloc(large ? huge_page : alignof(Place), bytes);
    if (memory == nullptr) throw std::bad_alloc();
    // A table is jumped about in: each small page would cost a walk through the page tables as well. Only a wish.
    if (large) ::madvise(memory, bytes, MADV_HUGEPAGE);
    return static_cast<Place*>(memory);
  }

  static std::size_t hash_of(std::string_view name) noexcept { return std::hash<std::string_view>{}(name); }

  static void put(Table& table, T* entry, std::uint32_t number) noexcept {
    const std::string_view name = entry->name;
    const std::size_t hash = hash_of(name);
    std::size_t i = hash;
    while (table.places[i & table.mask].entry.load(std::memory_order_relaxed) != nullptr) ++i;
    Place& place = table.places[i & table.mask];
    place.hash = static_cast<std::uint32_t>(hash);
    place.number = number;
    place.size = static_cast<std::uint32_t>(name.size());
    std::memcpy(place.text, name.data(), std::min(name.size(), sizeof place.text));
    place.entry.store(entry, std::memory_order_release);
  }

  void grow(std::size_t size) {
    auto table = std::make_unique<Table>(size);
    if (!tables_.empty()) {
      const Table& full = *tables_.back();
      for (std::size_t i = 0; i <= full.mask; ++i) {
        if (T* const entry = full.places[i].entry.load(std::memory_order_relaxed))
          put(*table, entry, full.places[i].number);
      }
    }
    tables_.push_back(std::move(table));
    current_.store(tables_.back().get(), std::memory_order_release);
  }

  std::atomic<const Table*> current_{nullptr};
  std::vector<std::unique_ptr<Table>> tables_;
  std::size_t count_ = 0;
};

}  // namespace backplane
