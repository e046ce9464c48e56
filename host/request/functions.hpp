// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "support/mutex.hpp"

namespace backplane {

/// The host functions that the application gave to one context.
class Functions {
 public:
  struct Function {
    bp_function_cb call = nullptr;
    void* user = nullptr;
    std::uint64_t serial = 0;
  };

  /// Adds, replaces, or (null `call`) takes away; BP_NOT_FOUND if there was none to take away. If the
  /// one that went is being called, waits until it has returned, unless `on_calling_thread`.
  bp_status set(std::string_view name, bp_function_cb call, void* user, bool on_calling_thread) {
    MutexLock lock(mutex_);
    const auto found = functions_.find(name);
    if (found == functions_.end() && call == nullptr) return BP_NOT_FOUND;
    const std::uint64_t before = found == functions_.end() ? 0 : found->second.serial;
    if (call == nullptr) {
      functions_.erase(found);
    } else if (found != functions_.end()) {
      found->second = {call, user, ++last_serial_};
    } else {
      functions_.emplace(name, Function{call, user, ++last_serial_});
    }
    if (before != 0 && !on_calling_thread) {
      returned_.wait(lock, [&]() BP_REQUIRES(mutex_) { return running_ != before; });
    }
    return BP_OK;
  }

  /// Takes them all away. None is being called.
  void clear() noexcept {
    const MutexLock lock(mutex_);
    functions_.clear();
  }

  /// Finds a function and marks it as being called; its `call` is null if there is none. Request thread;
  /// end() follows.
  Function begin(std::string_view name) {
    const MutexLock lock(mutex_);
    const auto found = functions_.find(name);
    if (found == functions_.end()) return {};
    running_ = found->second.serial;
    return found->second;
  }
  void end() {
    const MutexLock lock(mutex_);
    running_ = 0;
    returned_.notify_all();
  }

 private:
  Mutex mutex_;
  Condition returned_;
  std::map<std::string, Function, std::less<>> functions_ BP_GUARDED_BY(mutex_);
  std::uint64_t last_serial_ BP_GUARDED_BY(mutex_) = 0;
  std::uint64_t running_ BP_GUARDED_BY(mutex_) = 0;  // the serial of the one being called
};

}  // namespace backplane
