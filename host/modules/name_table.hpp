// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane::host {

/// A hash table from names to objects. Any thread reads it without a lock; one thread writes. Entries are never
/// removed: a T outlives the table, and its `name` does not change. The table uses open addressing. When it is too
/// full, a table of twice the size replaces it. The old table is kept, because a reader may still use it.
///
/// With more names than a cache holds, the cost of a lookup is the memory that it touches. So each place stores its
/// name, up to a limit, and one cache line is enough to compare it.
template <class T, class Hash = std::hash<std::string_view>>
class NameTable {
 public:
  NameTable() { grow(64); }
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// An entry, and the number that was added with it.
  struct Found {
    T* entry = nullptr;
    std::uint32_t number = 0;
  };

  T* find(std::string_view name) const noexcept { return look_up(name).entry; }

  /// As find(), but does not read the entry.
  Found look_up(std::string_view name) const noexcept {
    const Table* const table = current_.load(std::memory_order_acquire);
    const std::uint32_t hash = hash_of(name);
    for (std::size_t i = hash;; ++i) {
      const Place& place = table->places[i & table->mask];
      T* const entry = place.entry.load(std::memory_order_acquire);
      if (entry == nullptr) return {};
      if (place.is(name, hash)) return {entry, place.number};
    }
  }

  /// Writer thread. `entry->name` must not be in the table. Throws std::bad_alloc and leaves the table unchanged. A
  /// table is filled to four fifths: probed places are adjacent, and a smaller table stays in the cache.
  void add(T* entry, std::uint32_t number = 0) {
    make_room();
    const std::string_view name = entry->name;
    Place& place = free_place(*tables_.back(), hash_of(name));
    place.hash = hash_of(name);
    place.number = number;
    place.size = static_cast<std::uint32_t>(name.size());
    std::memcpy(place.text, name.data(), std::min(name.size(), sizeof place.text));
    place.entry.store(entry, std::memory_order_release);
    ++count_;
  }

  /// Writer thread. The next add() then does not throw. Throws std::bad_alloc.
  void make_room() {
    const std::size_t size = tables_.back()->mask + 1;
    if ((count_ + 1) * 5 > size * 4) grow(size * 2);
  }

 private:
  // The writer sets `entry` last. After that, the other members are constant.
  struct alignas(64) Place {
    std::atomic<T*> entry{nullptr};
    std::uint32_t hash;
    std::uint32_t size;
    std::uint32_t number;
    char text[44];  // the name, or the beginning of a longer name

    bool is(std::string_view name, std::uint32_t its_hash) const noexcept {
      if (hash != its_hash || size != name.size()) return false;
      if (size > sizeof text) return entry.load(std::memory_order_relaxed)->name == name;
      return std::memcmp(text, name.data(), name.size()) == 0;
    }
  };
  static_assert(sizeof(Place) == 64);

  struct Table {
    explicit Table(std::size_t size) : mask(size - 1), places(places_for(size)) {}
    const std::size_t mask;
    const std::unique_ptr<Place[], void (*)(Place*)> places;
  };

  // Large tables ask for huge pages. Access is random, so each small page would also cost a walk through the page
  // tables.
  static std::unique_ptr<Place[], void (*)(Place*)> places_for(std::size_t size) {
    constexpr std::align_val_t huge_page{2u << 20};
    constexpr std::align_val_t line{alignof(Place)};
    const std::size_t bytes = size * sizeof(Place);
    const bool large = bytes >= static_cast<std::size_t>(huge_page);
    void* const memory = ::operator new(bytes, large ? huge_page : line);
    if (large) ::madvise(memory, bytes, MADV_HUGEPAGE);
    Place* const places = static_cast<Place*>(memory);
    std::uninitialized_default_construct_n(places, size);
    const auto free_large = [](Place* all) { ::operator delete(all, huge_page); };
    const auto free_small = [](Place* all) { ::operator delete(all, line); };
    return {places, large ? +free_large : +free_small};
  }

  // A place stores its hash, so growing the table reads no entry.
  static std::uint32_t hash_of(std::string_view name) noexcept { return static_cast<std::uint32_t>(Hash{}(name)); }

  static Place& free_place(Table& table, std::uint32_t hash) noexcept {
    std::size_t i = hash;
    while (table.places[i & table.mask].entry.load(std::memory_order_relaxed) != nullptr) ++i;
    return table.places[i & table.mask];
  }

  // No reader uses `to` yet.
  static void copy(const Place& from, Place& to) noexcept {
    to.hash = from.hash;
    to.size = from.size;
    to.number = from.number;
    std::memcpy(to.text, from.text, std::min<std::size_t>(from.size, sizeof to.text));
    to.entry.store(from.entry.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }

  void grow(std::size_t size) {
    auto table = std::make_unique<Table>(size);
    if (!tables_.empty()) {
      const Table& full = *tables_.back();
      for (std::size_t i = 0; i <= full.mask; ++i) {
        const Place& place = full.places[i];
        if (place.entry.load(std::memory_order_relaxed) != nullptr) copy(place, free_place(*table, place.hash));
      }
    }
    tables_.push_back(std::move(table));
    current_.store(tables_.back().get(), std::memory_order_release);
  }

  std::atomic<const Table*> current_{nullptr};
  std::vector<std::unique_ptr<Table>> tables_;
  std::size_t count_ = 0;
};

}  // namespace backplane::host
