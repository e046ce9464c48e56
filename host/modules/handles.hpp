// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/ext/handle.h>

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>

namespace backplane::host {

/// The objects behind bp.handle/1 of one instance. Request thread only.
class Handles {
 public:
  Handles() = default;
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  /// Throws std::bad_alloc.
  std::uint64_t put(const void* type, void* object, bp_release_fn on_release) {
    const std::uint64_t id = fresh_id();
    entries_.emplace(id, Entry{type, object, on_release});
    return id;
  }

  void* get(const void* type, std::uint64_t id) const noexcept {
    const auto found = entries_.find(id);
    return found == entries_.end() || found->second.type != type ? nullptr : found->second.object;
  }

  bool release(const void* type, std::uint64_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.type != type) return false;
    const Entry entry = found->second;
    entries_.erase(found);  // first, so that a release function that looks does not find it
    if (entry.release != nullptr) entry.release(entry.object);
    return true;
  }

  void release_all() {
    // Again, if a release function has put something in.
    while (!entries_.empty()) {
      const auto all = std::exchange(entries_, {});
      for (const auto& [id, entry] : all) {
        if (entry.release != nullptr) entry.release(entry.object);
      }
    }
  }

  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    const void* type;
    void* object;
    bp_release_fn release;
  };

  // Process-wide, so that a handle of one instance never means another object in a second one.
  static std::uint64_t fresh_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  boost::unordered_flat_map<std::uint64_t, Entry> entries_;
};

}  // namespace backplane::host
