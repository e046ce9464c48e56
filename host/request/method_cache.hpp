// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <new>
#include <vector>

#include "modules/generation.hpp"
#include "modules/instance.hpp"
#include "request/request_thread.hpp"

namespace backplane::host {

/// The handler and the instance of each method in this context, as found at its last call, and its call statistics.
class MethodCache {
 public:
  struct Entry {
    const Generation* generation = nullptr;  ///< the next two hold for it; null: to be found
    const Handler* handler = nullptr;        ///< runs on this thread
    bp_instance* instance = nullptr;         ///< has not failed
    CallStats* stats = nullptr;              ///< there, if there is a generation
  };

  MethodCache() = default;
  MethodCache(const MethodCache&) = delete;
  MethodCache& operator=(const MethodCache&) = delete;
  ~MethodCache() {
    on_request_thread.assume();  // it has ended
    release_stats();
  }

  /// The entry, if it holds for the generation that runs now; else null.
  const Entry* find(const Method& method, const Generation* running) const noexcept BP_REQUIRES(on_request_thread) {
    const Entry* const entry = method.index < entries_.size() ? &entries_[method.index] : nullptr;
    return entry != nullptr && entry->generation == running && running != nullptr ? entry : nullptr;
  }
  /// The entry to fill in. Null if memory cannot be had; without statistics likewise: then the call is not counted.
  Entry* entry_of(const Method& method) noexcept BP_REQUIRES(on_request_thread);
  /// Instances come or go: the handlers must be found again.
  void forget() noexcept BP_REQUIRES(on_request_thread) {
    for (Entry& entry : entries_) entry.generation = nullptr;
  }
  /// Leaves the statistics to the next thread that handles the method.
  void release_stats() noexcept BP_REQUIRES(on_request_thread);

 private:
  std::vector<Entry> entries_ BP_GUARDED_BY(on_request_thread);  // by Method::index
};

}  // namespace backplane::host
