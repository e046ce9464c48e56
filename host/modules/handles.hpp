// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/ext/handle.h>

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>

namespace backplane::host {

/// The objects of one instance's bp.handle/1 handles. Request thread only.
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
    entries_.erase(found);  // erase first: the release function must not find the handle
    if (entry.release != nullptr) entry.release(entry.object);
    return true;
  }

  void release_all() {
    // Repeat, because a release function may add handles.
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

  // Ids are unique in the process, so that a handle of one instance never names an object of another.
  static std::uint64_t fresh_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }

  boost::unordered_flat_map<std::uint64_t, Entry> entries_;
};

}  // namespace backplane::host
