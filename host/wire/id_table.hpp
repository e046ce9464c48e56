// SPDX-License-Identifier: Apache-2.0
//
// The open calls of one connection by id. Entries keep their address and are reused, so in steady state nothing is
// allocated.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <utility>
#include <vector>

namespace backplane::host {

/// The same in the whole process, and not known outside of it.
inline std::uint64_t secret_odd_number() {
  static const std::uint64_t number = [] {
    std::random_device random;  // of the system
    return (std::uint64_t{random()} << 32 | random()) | 1;
  }();
  return number;
}

/// Not thread-safe. T must be default constructible; a free entry holds T{}.
template <class T>
class IdTable {
 public:
  struct Entry {
    std::uint64_t id = 0;
    T value{};

   private:
    friend class IdTable;
    Entry* next = nullptr;  ///< link in its bucket or in the free list
  };

  IdTable() = default;
  IdTable(const IdTable&) = delete;
  IdTable& operator=(const IdTable&) = delete;

  std::size_t size() const noexcept { return size_; }

  /// Adds an entry. Returns null if the id already exists. Throws std::bad_alloc and changes nothing.
  Entry* insert(std::uint64_t id) {
    if (size_ >= buckets_.size()) grow();
    if (find(id) != nullptr) return nullptr;
    Entry* entry = free_;
    if (entry != nullptr) {
      free_ = entry->next;
    } else {
      entry = &entries_.emplace_back();
    }
    entry->id = id;
    link(entry);
    ++size_;
    return entry;
  }

  Entry* find(std::uint64_t id) noexcept {
    if (buckets_.empty()) return nullptr;
    for (Entry* entry = bucket(id); entry != nullptr; entry = entry->next) {
      if (entry->id == id) return entry;
    }
    return nullptr;
  }

  /// Removes an entry and moves its value to `value`. Returns false if the id does not exist.
  bool take(std::uint64_t id, T& value) {
    if (buckets_.empty()) return false;
    for (Entry** at = &bucket(id); *at != nullptr; at = &(*at)->next) {
      if ((*at)->id != id) continue;
      value = take(*at);
      return true;
    }
    return false;
  }

  /// Removes an entry of the table and returns its value.
  T take(Entry* entry) {
    Entry** at = &bucket(entry->id);
    while (*at != entry) at = &(*at)->next;
    *at = entry->next;
    entry->next = free_;
    free_ = entry;
    --size_;
    return std::exchange(entry->value, T{});
  }

  /// Removes some entry and moves it to `value`. `bucket` is where the search begins, at first 0; it is moved on, so
  /// that emptying a table takes linear time. Returns false if there is none from there on.
  bool take_any(std::size_t& bucket, T& value) {
    for (; bucket < buckets_.size(); ++bucket) {
      if (buckets_[bucket] == nullptr) continue;
      value = take(buckets_[bucket]);
      return true;
    }
    return false;
  }

  template <class F>
  void for_each(F f) {
    for (Entry* entry : buckets_) {
      for (; entry != nullptr; entry = entry->next) f(*entry);
    }
  }

 private:
  // Peers choose their ids, so a fixed function would let a peer fill a single bucket. This is universal hashing
  // (Dietzfelbinger and others, "A reliable randomized algorithm for the closest-pair problem", 1997, section 2). Any
  // two ids share one of n buckets with a probability of at most 2/n.
  Entry*& bucket(std::uint64_t id) noexcept { return buckets_[static_cast<std::size_t>(id * factor_ >> shift_)]; }
  void link(Entry* entry) noexcept {
    Entry*& head = bucket(entry->id);
    entry->next = head;
    head = entry;
  }
  void grow() {
    std::vector<Entry*> old(buckets_.empty() ? 64 : buckets_.size() * 2);
    old.swap(buckets_);
    shift_ = 64 - static_cast<unsigned>(std::bit_width(buckets_.size() - 1));
    for (Entry* entry : old) {
      while (entry != nullptr) {
        Entry* const next = entry->next;
        link(entry);
        entry = next;
      }
    }
  }

  std::vector<Entry*> buckets_;  ///< the size is a power of two
  unsigned shift_ = 0;           ///< 64 minus its exponent
  std::deque<Entry> entries_;
  Entry* free_ = nullptr;
  std::size_t size_ = 0;
  const std::uint64_t factor_ = secret_odd_number();
};

}  // namespace backplane::host
