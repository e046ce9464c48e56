// SPDX-License-Identifier: Apache-2.0
#include "request/method_cache.hpp"

namespace backplane::host {

MethodCache::Entry* MethodCache::entry_of(const Method& method) noexcept {
  if (method.index >= entries_.size()) {
    try {
      entries_.resize(method.index + 1);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  Entry& entry = entries_[method.index];
  if (entry.stats == nullptr) {
    entry.stats = method.stats_list.take();
    if (entry.stats != nullptr) entry.stats->time_the_first();
  }
  return &entry;
}

void MethodCache::release_stats() noexcept {
  for (const Entry& entry : entries_) {
    if (entry.stats != nullptr) CallStatsList::release(*entry.stats);
  }
  entries_.clear();
}

}  // namespace backplane::host
