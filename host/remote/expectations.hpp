// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sync/mutex.hpp"

namespace backplane::host {

/// Which interfaces the application was built against: what bp_context_expect() has accepted, the last for each module.
/// Any thread.
class Expectations {
 public:
  struct Expected {
    std::string module;
    std::string hash;
    std::string cddl;
  };

  Expectations() = default;
  Expectations(const Expectations&) = delete;
  Expectations& operator=(const Expectations&) = delete;

  void accept(std::string_view module, std::string_view hash, std::string_view cddl) {
    Entry entry{std::string(hash), std::string(cddl), false};
    const MutexLock lock(mutex_);
    all_.insert_or_assign(std::string(module), std::move(entry));
    note_broken();
  }
  std::vector<Expected> all() const {
    std::vector<Expected> out;
    const MutexLock lock(mutex_);
    for (const auto& [module, entry] : all_) out.push_back({module, entry.hash, entry.cddl});
    return out;
  }
  /// Notes whether the module may break callers now. Returns whether that is news. Changes nothing if the application
  /// has accepted another interface meanwhile.
  bool judge(const Expected& expected, bool breaks) noexcept {
    const MutexLock lock(mutex_);
    const auto at = all_.find(expected.module);
    if (at == all_.end() || at->second.hash != expected.hash || at->second.breaks == breaks) return false;
    at->second.breaks = breaks;
    note_broken();
    return true;
  }
  /// Whether calls of this wire name must be refused.
  bool refuses(std::string_view name) const noexcept {
    if (!any_breaks_.load(std::memory_order_relaxed)) return false;
    const MutexLock lock(mutex_);
    const auto at = all_.find(name.substr(0, name.find('.')));
    return at != all_.end() && at->second.breaks;
  }

 private:
  struct Entry {
    std::string hash;
    std::string cddl;
    bool breaks = false;
  };

  void note_broken() noexcept BP_REQUIRES(mutex_) {
    bool any = false;
    for (const auto& [module, entry] : all_) any = any || entry.breaks;
    any_breaks_.store(any, std::memory_order_relaxed);
  }

  mutable Mutex mutex_;
  std::map<std::string, Entry, std::less<>> all_ BP_GUARDED_BY(mutex_);
  std::atomic<bool> any_breaks_{false};
};

}  // namespace backplane::host
