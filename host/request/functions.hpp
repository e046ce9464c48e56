// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <backplane/backplane.h>
#include <backplane/providing.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sync/asymmetric_fence.hpp"
#include "sync/mutex.hpp"

namespace backplane::host {

/// The application's host functions of one context. The request thread looks them up without a lock, in a table that
/// never changes. A change makes another table, and waits until the request thread does not read the old one.
class Functions {
 public:
  struct Function {
    bp_host_function_fn call = nullptr;
    void* user = nullptr;
    std::uint64_t serial = 0;
    bp_ask_fn ask = nullptr;      ///< if not null, called instead of `call`
    bp_unask_fn unask = nullptr;  ///< may be null

    bool exists() const noexcept { return call != nullptr || ask != nullptr; }
  };

  Functions() = default;
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;

  /// Adds or replaces a function; a null `call` removes it. BP_NOT_FOUND: there was none to remove. If the old function
  /// is being called, waits until it has returned, unless `on_calling_thread`. Throws std::bad_alloc.
  bp_status set(std::string_view name, bp_host_function_fn call, void* user, bool on_calling_thread) {
    return change(name, {call, user}, Only::any, on_calling_thread);
  }
  /// The same for any kind of function. BP_NAME_TAKEN: `only_new`, and there is one.
  bp_status provide(std::string_view name, const Function& function, bool only_new, bool on_calling_thread) {
    return change(name, function, only_new ? Only::absent : Only::any, on_calling_thread);
  }
  /// Removes the function if `user` is its own; otherwise BP_NOT_FOUND.
  bp_status withdraw(std::string_view name, void* user, bool on_calling_thread) {
    return change(name, {nullptr, user}, Only::of_user, on_calling_thread);
  }

  /// Removes all. No function may be running.
  void clear() noexcept;

  /// Finds a function and marks it as being called; it does not exist() if there is none. Request thread; end()
  /// follows if there is one.
  Function begin(std::string_view name) noexcept {
    return begin_if([name](const Table& table) {
      const auto found = table.by_name.find(name);
      return found == table.by_name.end() ? nullptr : &found->second;
    });
  }
  /// The same for one that has been called before. Not while one is called.
  Function begin(std::uint64_t serial) noexcept {
    return begin_if([serial](const Table& table) {
      const auto found = table.by_serial.find(serial);
      return found == table.by_serial.end() ? nullptr : found->second;
    });
  }
  /// Whether one is being called. Request thread.
  bool in_one() const noexcept { return at_.load(std::memory_order_relaxed) != nowhere; }
  void end() noexcept {
    at_.store(nowhere, std::memory_order_release);
    light_fence();
    if (awaited_.load(std::memory_order_relaxed) != 0) tell();
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
  };
  using ByName = std::unordered_map<std::string, Function, Hash, std::equal_to<>>;
  struct Table {
    ByName by_name;
    std::unordered_map<std::uint64_t, const Function*> by_serial;  ///< those with `unask`
  };
  /// Which function may be changed.
  enum class Only : std::uint8_t { any, absent, of_user };

  template <class Find>
  Function begin_if(Find find) noexcept {
    at_.store(looking, std::memory_order_relaxed);
    light_fence();  // see change()
    const Table* const table = table_.load(std::memory_order_acquire);
    const Function* const found = table == nullptr ? nullptr : find(*table);
    if (found == nullptr) {
      end();
      return {};
    }
    const Function function = *found;
    at_.store(function.serial, std::memory_order_release);  // from here on the table may go
    return function;
  }
  bp_status change(std::string_view name, const Function& function, Only only, bool on_calling_thread);
  void tell() noexcept;

  // Where the request thread is: in the table, or in the function with that serial.
  static constexpr std::uint64_t nowhere = 0;
  static constexpr std::uint64_t looking = 1;

  alignas(64) std::atomic<std::uint64_t> at_{nowhere};
  alignas(64) std::atomic<const Table*> table_{nullptr};
  std::atomic<std::uint32_t> awaited_{0};  // how many threads wait in change()
  Mutex mutex_;
  Condition returned_;
  std::unique_ptr<const Table> owned_ BP_GUARDED_BY(mutex_);
  std::uint64_t last_serial_ BP_GUARDED_BY(mutex_) = looking;
};

}  // namespace backplane::host
