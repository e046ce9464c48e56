// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace backplane {

/// Names to objects, read by any thread without a lock, written by one. Entries are never taken out:
/// T has a `name` and outlives the table. Open addressing; a table that gets too full is replaced by
/// one twice its size, and kept, because a reader may still be in it.
template <class T>
class NameTable {
 public:
  NameTable() { grow(64); }
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  T* find(std::string_view name) const noexcept {
    const Table* const table = current_.load(std::memory_order_acquire);
    for (std::size_t i = hash(name);; ++i) {
      T* const entry = table->places[i & table->mask].load(std::memory_order_acquire);
      if (entry == nullptr || entry->name == name) return entry;
    }
  }

  /// Writer. `entry->name` must not be in the table. Throws std::bad_alloc.
  void add(T* entry) {
    if ((count_ + 1) * 2 > tables_.back()->places.size()) grow(tables_.back()->places.size() * 2);
    put(*tables_.back(), entry);
    ++count_;
  }

 private:
  struct Table {
    explicit Table(std::size_t size) : mask(size - 1), places(size) {}
    const std::size_t mask;
    std::vector<std::atomic<T*>> places;
  };

  static std::size_t hash(std::string_view name) noexcept { return std::hash<std::string_view>{}(name); }

  static void put(Table& table, T* entry) noexcept {
    std::size_t i = hash(entry->name);
    while (table.places[i & table.mask].load(std::memory_order_relaxed) != nullptr) ++i;
    table.places[i & table.mask].store(entry, std::memory_order_release);
  }

  void grow(std::size_t size) {
    auto table = std::make_unique<Table>(size);
    if (!tables_.empty()) {
      for (const auto& place : tables_.back()->places) {
        if (T* const entry = place.load(std::memory_order_relaxed)) put(*table, entry);
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
