// SPDX-License-Identifier: Apache-2.0
//
// Which host function has a name. The host knows only the last one of a name; an older one must not withdraw it.
#pragma once

#include <backplane/backplane.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::client::detail {

class FunctionNames {
 public:
  /// Stands in every host function while it runs.
  class Running {
   public:
    Running() noexcept { ++depth(); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { --depth(); }
    static bool here() noexcept { return depth() != 0; }

   private:
    static int& depth() noexcept {
      thread_local int value = 0;
      return value;
    }
  };

  /// Gives the name to `owner`, which is also the `user` of `call`. An error leaves the name as it was. Another context
  /// than before: a reconnect has replaced that one.
  bp_status give(bp_context native, std::string_view name, bp_host_function_fn call, std::shared_ptr<void> owner) {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[std::string(name)];
    slot.wanted = std::move(owner);
    slot.wanted_at = native.id;
    return apply(lock, slot, name, call);
  }
  /// Withdraws the name if it is still the owner's.
  void withdraw(std::string_view name, const void* owner, bp_host_function_fn call) noexcept {
    std::unique_lock lock(mutex_);
    const auto at = slots_.find(name);
    if (at == slots_.end()) return;
    if (at->second.wanted.get() == owner) at->second.wanted.reset();  // the caller has it, too
    apply(lock, at->second, name, call);
  }

 private:
  struct Slot {
    std::shared_ptr<void> wanted, set;
    std::uint64_t wanted_at = 0, set_at = 0;  // native contexts
    bool busy = false;

    bool is_settled() const noexcept { return wanted == set && (set == nullptr || wanted_at == set_at); }
  };

  // bp_function_set waits for a function that runs, so the mutex must be free then. One thread at a time sets a name,
  // and the last wish counts. A function that runs cannot wait for that thread, which may wait for the function: it
  // leaves its wish to that thread.
  bp_status apply(std::unique_lock<std::mutex>& lock, Slot& slot, std::string_view name, bp_host_function_fn call) {
    if (slot.busy && Running::here()) return BP_OK;
    changed_.wait(lock, [&] { return !slot.busy; });
    slot.busy = true;
    return go_on(lock, slot, name, call);
  }
  bp_status go_on(std::unique_lock<std::mutex>& lock, Slot& slot, std::string_view name, bp_host_function_fn call) {
    if (slot.is_settled()) {
      slot.busy = false;
      changed_.notify_all();
      lock.unlock();
      return BP_OK;
    }
    std::shared_ptr<void> next = slot.wanted;
    const bp_context at{next == nullptr ? slot.set_at : slot.wanted_at};
    lock.unlock();
    const bp_status status =
        bp_function_set(at, {name.data(), name.size()}, next == nullptr ? nullptr : call, next.get());
    lock.lock();
    const bool refused = next != nullptr && status != BP_OK;
    if (refused && slot.wanted == next && slot.wanted_at == at.id) {
      slot.wanted = slot.set_at == at.id ? slot.set : nullptr;
    }
    if (!refused) {
      std::swap(slot.set, next);
      slot.set_at = at.id;
    }
    go_on(lock, slot, name, call);
    return status;  // and only now frees the old owner, whose destructor may set this name
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Slot, std::less<>> slots_;
};

}  // namespace backplane::client::detail
