// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/ext/handle.h>

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>

#include "sync/mutex.hpp"

namespace backplane::host {

/// The objects of one instance's bp.handle/1 handles. For one thread at a time, until share() is called.
class Handles {
 public:
  Handles() = default;
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  /// From now on, several threads may use it. Before that, it costs no lock.
  void share() noexcept { shared_ = true; }

  /// Throws std::bad_alloc.
  std::uint64_t put(const void* type, void* object, bp_release_fn on_release) {
    const Guard guard(*this);
    const std::uint64_t id = fresh_id();
    entries_.emplace(id, Entry{type, object, on_release});
    return id;
  }

  void* get(const void* type, std::uint64_t id) const noexcept {
    const Guard guard(*this);
    const auto found = entries_.find(id);
    return found == entries_.end() || found->second.type != type ? nullptr : found->second.object;
  }

  bool release(const void* type, std::uint64_t id) {
    Entry entry{};
    if (!take(type, id, entry)) return false;
    if (entry.release != nullptr) entry.release(entry.object);
    return true;
  }

  void release_all() {
    // Repeat, because a release function may add handles.
    for (;;) {
      const Entries all = take_all();
      if (all.empty()) return;
      for (const auto& [id, entry] : all) {
        if (entry.release != nullptr) entry.release(entry.object);
      }
    }
  }

  std::size_t size() const noexcept {
    const Guard guard(*this);
    return entries_.size();
  }

 private:
  struct Entry {
    const void* type;
    void* object;
    bp_release_fn release;
  };
  using Entries = boost::unordered_flat_map<std::uint64_t, Entry>;

  // Locks the mutex if it is shared. The analysis of clang cannot follow that, so the entries are not annotated.
  class Guard {
   public:
    explicit Guard(const Handles& of) noexcept BP_NO_THREAD_SAFETY_ANALYSIS : of_(of) {
      if (of.shared_) of.mutex_.lock();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() BP_NO_THREAD_SAFETY_ANALYSIS {
      if (of_.shared_) of_.mutex_.unlock();
    }

   private:
    const Handles& of_;
  };

  // Its release function is called afterwards: it must not find the handle, and no lock may be held.
  bool take(const void* type, std::uint64_t id, Entry& entry) {
    const Guard guard(*this);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.type != type) return false;
    entry = found->second;
    entries_.erase(found);
    return true;
  }

  Entries take_all() {
    const Guard guard(*this);
    return std::exchange(entries_, {});
  }

  // Ids are unique in the process, so that a handle of one instance never names an object of another.
  static std::uint64_t fresh_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  bool shared_ = false;
  mutable Mutex mutex_;
  Entries entries_;
};

}  // namespace backplane::host
